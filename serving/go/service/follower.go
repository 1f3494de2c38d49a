package service

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"log/slog"
	"sync/atomic"
	"time"

	"sightline/bundle"
)

// Run answers one encoded image with K uncalibrated logits and K calibrated probabilities.
type Run func(file []byte) (logits, probabilities []float32, err error)

// Load makes a bundle whose hashes are right answer.
type Load func(*bundle.Bundle) (Run, error)

// Served is the version that answers, whole: a request takes it once.
type Served struct {
	bundle.Version
	*bundle.Bundle
	Run Run
}

// Follower loads the version that its place names beside the one that serves, and then swaps them. One that
// cannot be loaded leaves the old one serving.
type Follower struct {
	place    bundle.Place
	load     Load
	retry    time.Duration
	metrics  *Metrics
	onChange func(*Served)

	served atomic.Pointer[Served]
	said   string // the last trouble that was logged
	failed string // the version and digest that could not be loaded
	since  time.Time
}

// Served is nil until a first version is loaded.
func (f *Follower) Served() *Served { return f.served.Load() }

// Follow looks at once and then again and again, until the context ends.
func (f *Follower) Follow(ctx context.Context, every time.Duration) {
	ticks := time.NewTicker(every)
	defer ticks.Stop()
	for {
		f.look()
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
	}
}

func (f *Follower) look() {
	version, err := f.place.Current()
	if err != nil {
		f.say(err)
		return
	}
	digest, err := bundle.Digest(version.Folder)
	if err != nil {
		f.say(err)
		return
	}
	if now := f.Served(); now != nil && now.Version == version && now.Digest == digest {
		f.failed, f.said = "", "" // what was wrong is mended: it is tried, and news, if it comes again
		return
	}
	wanted := fmt.Sprint(version, digest)
	if wanted == f.failed && time.Since(f.since) < f.retry {
		return
	}
	if err := f.swap(version); err != nil {
		f.failed, f.since = wanted, time.Now()
		f.metrics.failed(version.Model)
		f.say(fmt.Errorf("%s version %d cannot be served: %w", version.Model, version.Number, err))
		return
	}
	f.failed, f.said = "", ""
}

func (f *Follower) say(trouble error) {
	if text := trouble.Error(); text != f.said {
		slog.Error(text)
		f.said = text
	}
}

func (f *Follower) swap(version bundle.Version) error {
	opened, err := bundle.Open(version.Folder)
	if err != nil {
		return err
	}
	run, err := f.load(opened)
	if err != nil {
		return err
	}
	if err := warm(run); err != nil {
		return err
	}
	served := &Served{version, opened, run}
	f.onChange(served)
	f.served.Store(served)
	f.metrics.serves(served)
	slog.Info("serves from now on", "model", version.Model, "version", version.Number, "digest", opened.Digest)
	return nil
}

// warm answers an image of each format: a session makes its plans at its first answers, which take 0.3 s.
func warm(run Run) error {
	gray := image.NewGray(image.Rect(0, 0, 8, 8))
	var asPNG, asJPEG bytes.Buffer
	if err := png.Encode(&asPNG, gray); err != nil {
		return err
	}
	if err := jpeg.Encode(&asJPEG, gray, nil); err != nil {
		return err
	}
	for _, file := range [][]byte{asPNG.Bytes(), asJPEG.Bytes()} {
		if _, _, err := run(file); err != nil {
			return fmt.Errorf("it answers no gray image: %w", err)
		}
	}
	return nil
}
