// Package settings is what flags and SIGHTLINE_* variables may set, checked once at the start.
package settings

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"runtime"
	"strings"
	"time"

	"sightline/bundle"
)

const (
	prefix   = "SIGHTLINE_"
	megabyte = 1_000_000
	// A time.Duration counts nanoseconds in 64 bits: 1e-10 s would be 0, 1e10 s and more overflows.
	leastSeconds, mostSeconds = 0.001, 1e6
)

// Settings: a flag -max-body-bytes is the variable SIGHTLINE_MAX_BODY_BYTES; the flag wins.
type Settings struct {
	bundle.Place
	Host           string
	Port           int
	LogFormat      string
	MaxBodyBytes   int64
	BodySeconds    float64
	AnswerSeconds  float64
	Threads        int
	Queue          int
	PollSeconds    float64
	RetrySeconds   float64
	DrainSeconds   float64
	CacheMegabytes float64
	CacheSeconds   float64
}

// protections are settings of the BentoML service that must not be passed over in silence.
var protections = []string{"KEYS_FILE", "RATE"}

// Read returns the settings, or one error that says what is wrong and what is allowed. `lookup` is os.LookupEnv.
func Read(arguments []string, lookup func(string) (string, bool), help io.Writer) (Settings, error) {
	var read Settings
	flags := read.flags()
	flags.SetOutput(io.Discard) // a wrong flag is one line, of the caller's; not the whole list
	if err := flags.Parse(arguments); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			flags.SetOutput(help)
			flags.Usage()
		}
		return read, err
	}
	if flags.NArg() > 0 {
		return read, fmt.Errorf("unexpected argument %q: only flags are allowed", flags.Arg(0))
	}
	for _, name := range protections {
		if value, isSet := lookup(prefix + name); isSet && value != "" {
			return read, fmt.Errorf("%s%s is set, which the Go back end cannot obey: put a proxy in front that does,"+
				" and unset it", prefix, name)
		}
	}
	if err := fromEnvironment(flags, lookup); err != nil {
		return read, err
	}
	return read, read.check()
}

func (s *Settings) flags() *flag.FlagSet {
	flags := flag.NewFlagSet("sightline-go", flag.ContinueOnError)
	flags.StringVar(&s.Folder, "models", "", "an export, or a folder with one a version: NUMBER/ or NUMBER/saved_model/")
	flags.StringVar(&s.Pointer, "pointer", "", "champion.json to follow; else the folder's own, else the greatest number")
	flags.StringVar(&s.Model, "model", "", "name in the answers; else the pointer's, else the folder's")
	flags.StringVar(&s.Host, "host", "127.0.0.1", "address to listen on")
	flags.IntVar(&s.Port, "port", 3000, "port to listen on")
	flags.StringVar(&s.LogFormat, "log-format", "plain", "plain or json")
	flags.Int64Var(&s.MaxBodyBytes, "max-body-bytes", 20*megabyte, "larger requests are refused with 413")
	flags.Float64Var(&s.BodySeconds, "body-seconds", 30, "time that a client has to send its request")
	flags.Float64Var(&s.AnswerSeconds, "answer-seconds", 30, "time in which it is answered, else 504")
	flags.IntVar(&s.Threads, "threads", runtime.GOMAXPROCS(0), "images at a time, which share the cores")
	flags.IntVar(&s.Queue, "queue", 64, "requests that may wait; more are refused with 429")
	flags.Float64Var(&s.PollSeconds, "poll-seconds", 1, "how often the version is looked up")
	flags.Float64Var(&s.RetrySeconds, "retry-seconds", 30, "pause before an export that failed is tried again")
	flags.Float64Var(&s.DrainSeconds, "drain-seconds", 1, "after SIGTERM: not ready, but answering")
	flags.Float64Var(&s.CacheMegabytes, "cache-megabytes", 64, "answers that are remembered; 0: none")
	flags.Float64Var(&s.CacheSeconds, "cache-seconds", 3600, "for how long they are")
	return flags
}

func fromEnvironment(flags *flag.FlagSet, lookup func(string) (string, bool)) error {
	given := map[string]bool{}
	flags.Visit(func(set *flag.Flag) { given[set.Name] = true })
	var wrong []error
	flags.VisitAll(func(known *flag.Flag) {
		variable := prefix + strings.ToUpper(strings.ReplaceAll(known.Name, "-", "_"))
		value, isSet := lookup(variable)
		if !isSet || value == "" || given[known.Name] {
			return
		}
		if err := flags.Set(known.Name, value); err != nil {
			wrong = append(wrong, fmt.Errorf("%s=%q (%s): %w", variable, value, known.Usage, err))
		}
	})
	return errors.Join(wrong...)
}

func (s *Settings) check() error {
	var wrong []error
	require := func(holds bool, message string, values ...any) {
		if !holds {
			wrong = append(wrong, fmt.Errorf(message, values...))
		}
	}
	require(s.Folder != "", "no models: set -models FOLDER or SIGHTLINE_MODELS to what"+
		" `sightline export MODEL --format saved_model` wrote")
	require(s.Port >= 0 && s.Port < 1<<16, "port %d: 0 to 65535 is allowed", s.Port)
	require(s.LogFormat == "plain" || s.LogFormat == "json", "log-format %q: plain or json is allowed", s.LogFormat)
	require(s.MaxBodyBytes >= 1, "max-body-bytes %d: at least 1", s.MaxBodyBytes)
	require(s.Threads >= 1 && s.Threads <= 256, "threads %d: 1 to 256 are allowed", s.Threads)
	require(s.Queue >= 0, "queue %d: at least 0", s.Queue)
	require(s.CacheMegabytes >= 0, "cache-megabytes %g: at least 0", s.CacheMegabytes)
	for name, seconds := range map[string]float64{
		"body-seconds": s.BodySeconds, "answer-seconds": s.AnswerSeconds, "poll-seconds": s.PollSeconds,
		"retry-seconds": s.RetrySeconds, "drain-seconds": s.DrainSeconds, "cache-seconds": s.CacheSeconds,
	} {
		require(seconds >= leastSeconds && seconds <= mostSeconds, "%s %g: %g to %.0f is allowed", name, seconds,
			leastSeconds, mostSeconds)
	}
	return errors.Join(wrong...)
}

// Duration of a number of seconds.
func Duration(seconds float64) time.Duration { return time.Duration(seconds * float64(time.Second)) }
