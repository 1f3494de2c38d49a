package service

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sightline/bundle"
	"sightline/bundle/bundletest"
)

// versions is a world of a folder with an export a version, of which the first serves.
func versions(t *testing.T) (*world, string) {
	t.Helper()
	folder := t.TempDir()
	bundletest.Export(t, filepath.Join(folder, "1"), nil)
	w := newWorld(t, bundle.Place{Folder: folder, Model: "digits"}, nil)
	w.follower.look()
	return w, folder
}

func answered(t *testing.T, w *world) string {
	t.Helper()
	answer := read[struct {
		Version int
		Class   string
		Cached  bool
	}](t, w.post("/v1/classify", "image/png", aPNG(t, "")))
	return fmt.Sprintf("%d %s %t", answer.Version, answer.Class, answer.Cached)
}

func TestFollowerServesANewVersionWithoutTheOldOnesAnswers(t *testing.T) {
	w, folder := versions(t)
	answered(t, w)
	bundletest.Export(t, filepath.Join(folder, "2"), map[string]any{"class_names": []string{"x", "y", "z"}})
	w.follower.look()
	if got := answered(t, w); got != "2 y false" {
		t.Errorf("received %s", got)
	}
}

func TestFollowerServesAnExportThatWasReplaced(t *testing.T) {
	w, folder := versions(t)
	bundletest.Export(t, filepath.Join(folder, "1"), map[string]any{"class_names": []string{"x", "y", "z"}})
	w.follower.look()
	if got := answered(t, w); got != "1 y false" {
		t.Errorf("received %s", got)
	}
}

func TestFollowerKeepsTheOldVersionWhereTheNewOneIsDamaged(t *testing.T) {
	w, folder := versions(t)
	bundletest.Export(t, filepath.Join(folder, "2"), nil)
	bundletest.Write(t, filepath.Join(folder, "2", "1", "saved_model.pb"), "altered")
	w.follower.look()
	w.follower.look() // not tried again within retry-seconds
	if got := answered(t, w); got != "1 b false" {
		t.Errorf("received %s", got)
	}
	if got := w.get("/metrics").Body.String(); !strings.Contains(got, `sightline_load_failures_total{model="digits"} 1`) {
		t.Error("the failure was not counted once")
	}
}

func TestFollowerServesADamagedVersionOnceItIsMended(t *testing.T) {
	w, folder := versions(t)
	bundletest.Export(t, filepath.Join(folder, "2"), map[string]any{"task": "ranking"})
	w.follower.look()
	bundletest.Export(t, filepath.Join(folder, "2"), nil)
	w.follower.look()
	if got := answered(t, w); got != "2 b false" {
		t.Errorf("received %s", got)
	}
}

func TestFollowerTriesAFailedVersionAtOnceWhereItComesBack(t *testing.T) {
	w, folder := versions(t)
	version, elsewhere := bundletest.Export(t, filepath.Join(folder, "2"), nil), filepath.Join(folder, "away")
	bundletest.Write(t, filepath.Join(version, "1", "saved_model.pb"), "altered")
	w.follower.look()
	move(t, version, elsewhere)
	w.follower.look() // back at the first
	bundletest.Write(t, filepath.Join(elsewhere, "1", "saved_model.pb"), bundletest.Graph)
	move(t, elsewhere, version) // of the same digest, which is that of bundle.json
	w.follower.look()
	if got := answered(t, w); got != "2 b false" {
		t.Errorf("received %s", got)
	}
}

func move(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func TestFollowerRefusesAModelThatAnswersNothing(t *testing.T) {
	w := newWorld(t, bundle.Place{Folder: bundletest.Export(t, t.TempDir(), nil)}, nil)
	w.follower.load = func(*bundle.Bundle) (Run, error) {
		return func([]byte) ([]float32, []float32, error) { return nil, nil, errBroken }, nil
	}
	w.follower.look()
	if w.follower.Served() != nil || !strings.Contains(w.follower.said, "answers no gray image: no memory") {
		t.Errorf("said %q", w.follower.said)
	}
}
