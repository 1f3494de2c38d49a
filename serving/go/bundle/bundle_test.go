package bundle_test

import (
	"path/filepath"
	"strings"
	"testing"

	"sightline/bundle"
	"sightline/bundle/bundletest"
)

func TestOpenReadsWhatWasSealed(t *testing.T) {
	opened, err := bundle.Open(bundletest.Export(t, t.TempDir(), nil))
	if err != nil {
		t.Fatal(err)
	}
	if opened.ClassNames[2] != "ç" || opened.Preprocessing.ImageSize != [2]int{8, 9} || opened.Model != "1" ||
		opened.Bytes != int64(len(bundletest.Graph)) {
		t.Errorf("read %+v", opened)
	}
}

func TestOpenRefuses(t *testing.T) {
	hash := strings.Repeat("0", 64)
	for said, changes := range map[string]map[string]any{
		"reads version 1":            {"schema_version": 2},
		`is of format "onnx"`:        {"format": "onnx"},
		"names no classes":           {"class_names": []string{}},
		"unknown task":               {"task": "ranking"},
		"2 thresholds for 3 classes": {"thresholds": []float64{0.5, 0.5}},
		"2 limits":                   {"uncertainty": map[string]any{"sets": map[string]any{"method": "lac", "limits": []int{1, 2}}}},
		"it was altered":             {"files": map[string]string{"1/saved_model.pb": hash}},
		"no such file":               {"files": map[string]string{"1/variables": hash}},
		"outside the bundle":         {"files": map[string]string{"../secret": hash}},
		"lists no NUMBER/":           {"files": map[string]string{}},
		"is not a bundle's":          {"class_names": 3},
	} {
		if _, err := bundle.Open(bundletest.Export(t, t.TempDir(), changes)); err == nil || !strings.Contains(err.Error(), said) {
			t.Errorf("expected %q, received %v", said, err)
		}
	}
}

func TestOpenServesTheGreatestGraph(t *testing.T) {
	folder := bundletest.Export(t, t.TempDir(), nil)
	first, _ := bundle.Open(folder)
	hash := first.Files["1/saved_model.pb"]
	bundletest.Write(t, filepath.Join(folder, "10", "saved_model.pb"), bundletest.Graph)
	bundletest.Export(t, folder, map[string]any{"files": map[string]string{"1/saved_model.pb": hash, "10/saved_model.pb": hash}})
	if opened, err := bundle.Open(folder); err != nil || opened.Model != "10" {
		t.Errorf("opened %+v, %v", opened, err)
	}
}

func TestOpenRefusesWhatTensorFlowWouldReadUnhashed(t *testing.T) {
	folder := bundletest.Export(t, t.TempDir(), nil)
	bundletest.Write(t, filepath.Join(folder, "1", "variables", "variables.index"), "beside")
	if _, err := bundle.Open(folder); err == nil || !strings.Contains(err.Error(), "1/variables/variables.index is not listed") {
		t.Errorf("received %v", err)
	}
	folder = bundletest.Export(t, t.TempDir(), nil)
	opened, err := bundle.Open(folder)
	if err != nil {
		t.Fatal(err)
	}
	hash := opened.Files["1/saved_model.pb"] // of 01, whose number is that of the folder 1
	bundletest.Write(t, filepath.Join(folder, "01", "saved_model.pb"), bundletest.Graph)
	bundletest.Export(t, folder, map[string]any{"files": map[string]string{"01/saved_model.pb": hash}})
	if _, err := bundle.Open(folder); err == nil || !strings.Contains(err.Error(), "lists no NUMBER/") {
		t.Errorf("received %v", err)
	}
}

func current(t *testing.T, place bundle.Place) bundle.Version {
	t.Helper()
	version, err := place.Current()
	if err != nil {
		t.Fatal(err)
	}
	return version
}

func TestCurrentIsTheGreatestNumberWithAnExport(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "digits")
	bundletest.Export(t, filepath.Join(folder, "9"), nil)
	want := bundletest.Export(t, filepath.Join(folder, "10", "saved_model"), nil)
	bundletest.Write(t, filepath.Join(folder, "11", "half.txt"), "")
	if got := current(t, bundle.Place{Folder: folder}); got != (bundle.Version{Model: "digits", Number: 10, Folder: want}) {
		t.Errorf("received %+v", got)
	}
}

func TestCurrentFollowsThePointer(t *testing.T) {
	folder := t.TempDir()
	want := bundletest.Export(t, filepath.Join(folder, "9"), nil)
	bundletest.Export(t, filepath.Join(folder, "10"), nil)
	bundletest.Write(t, filepath.Join(folder, "champion.json"), `{"model": "flowers", "version": 9, "digest": "0"}`)
	if got := current(t, bundle.Place{Folder: folder}); got != (bundle.Version{Model: "flowers", Number: 9, Folder: want}) {
		t.Errorf("received %+v", got)
	}
}

func TestCurrentTakesOneExportAsItIs(t *testing.T) {
	folder := bundletest.Export(t, t.TempDir(), nil)
	if got := current(t, bundle.Place{Folder: folder, Model: "digits"}); got != (bundle.Version{Model: "digits", Number: 1, Folder: folder}) {
		t.Errorf("received %+v", got)
	}
}

func TestCurrentSaysWhatIsWrong(t *testing.T) {
	folder := t.TempDir()
	for said, pointer := range map[string]string{
		"is damaged": `{"model"`,
		"sightline export digits:3 --format saved_model": `{"model": "digits", "version": 3}`,
	} {
		path := filepath.Join(folder, "champion.json")
		bundletest.Write(t, path, pointer)
		if _, err := (bundle.Place{Folder: folder, Pointer: path}).Current(); err == nil || !strings.Contains(err.Error(), said) {
			t.Errorf("expected %q, received %v", said, err)
		}
	}
}
