package settings_test

import (
	"io"
	"strings"
	"testing"

	"sightline/settings"
)

func read(environment map[string]string, arguments ...string) (settings.Settings, error) {
	lookup := func(name string) (string, bool) { value, isSet := environment[name]; return value, isSet }
	return settings.Read(arguments, lookup, io.Discard)
}

func TestReadListensOnLoopbackByDefault(t *testing.T) {
	got, err := read(nil, "-models", "exports")
	if err != nil || got.Host != "127.0.0.1" || got.Port != 3000 || got.Folder != "exports" {
		t.Errorf("received %+v, %v", got, err)
	}
}

func TestReadPrefersFlagsToVariables(t *testing.T) {
	got, err := read(map[string]string{"SIGHTLINE_MODELS": "exports", "SIGHTLINE_QUEUE": "3", "SIGHTLINE_MAX_BODY_BYTES": "9"}, "-queue", "5")
	if err != nil || got.Folder != "exports" || got.Queue != 5 || got.MaxBodyBytes != 9 {
		t.Errorf("received %+v, %v", got, err)
	}
}

func TestReadLeavesAWrongFlagToOneLineAndShowsHelpWhereItIsAsked(t *testing.T) {
	for argument, shows := range map[string]bool{"-quue": false, "-help": true} {
		var help strings.Builder
		_, err := settings.Read([]string{argument}, func(string) (string, bool) { return "", false }, &help)
		if err == nil || strings.Contains(help.String(), "-queue") != shows {
			t.Errorf("%s: %v, %q", argument, err, help.String())
		}
	}
}

func TestReadRefuses(t *testing.T) {
	for said, environment := range map[string]map[string]string{
		"set -models FOLDER":                    {},
		`SIGHTLINE_QUEUE="many"`:                {"SIGHTLINE_MODELS": "x", "SIGHTLINE_QUEUE": "many"},
		"threads 0: 1 to 256":                   {"SIGHTLINE_MODELS": "x", "SIGHTLINE_THREADS": "0"},
		"SIGHTLINE_KEYS_FILE is set, which the": {"SIGHTLINE_MODELS": "x", "SIGHTLINE_KEYS_FILE": "keys.json"},
		"SIGHTLINE_RATE is set, which the":      {"SIGHTLINE_MODELS": "x", "SIGHTLINE_RATE": "1/second"},
		`log-format "xml"`:                      {"SIGHTLINE_MODELS": "x", "SIGHTLINE_LOG_FORMAT": "xml"},
	} {
		if _, err := read(environment); err == nil || !strings.Contains(err.Error(), said) {
			t.Errorf("expected %q, received %v", said, err)
		}
	}
}

func TestReadRefusesDurationsThatTheClockCannotHold(t *testing.T) {
	for _, name := range []string{"body", "answer", "poll", "retry", "drain", "cache"} {
		for value, isAllowed := range map[string]bool{"0.001": true, "1e6": true, "-1": false, "0": false, "1e-10": false,
			"1000001": false, "inf": false, "nan": false} {
			_, err := read(nil, "-models", "x", "-"+name+"-seconds", value)
			if (err == nil) != isAllowed || err != nil && !strings.HasSuffix(err.Error(), ": 0.001 to 1000000 is allowed") {
				t.Errorf("%s-seconds %s: received %v", name, value, err)
			}
		}
	}
}
