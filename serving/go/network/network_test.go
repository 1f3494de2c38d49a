package network_test

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"sightline/bundle"
	"sightline/network"
	"sightline/picture"
)

// golden is what Python answers for each file beside it: probabilities, or nothing where it refuses the file.
// tests/infra/test_go.py writes it and runs these tests.
type golden map[string][]float64

// TensorFlow resizes within one step of 255 of Pillow, 16-bit grays within two (docs/export.md). The test's
// model answers by every pixel; turned or mirrored, an image of it moves by ten times as much.
const tolerance = 5e-3

func loaded(t *testing.T) (*network.Network, string) {
	t.Helper()
	folder, images := os.Getenv("SIGHTLINE_BUNDLE"), os.Getenv("SIGHTLINE_GOLDEN")
	if folder == "" || images == "" {
		t.Skip("SIGHTLINE_BUNDLE names no export and SIGHTLINE_GOLDEN no golden images: see docs/go.md")
	}
	opened, err := bundle.Open(folder)
	if err != nil {
		t.Fatal(err)
	}
	model, err := network.Load(opened, 1)
	if err != nil {
		t.Fatal(err)
	}
	return model, images
}

func TestRunIsEqualToPythonOrRefused(t *testing.T) {
	model, folder := loaded(t)
	text, err := os.ReadFile(filepath.Join(folder, "expected.json"))
	if err != nil {
		t.Fatal(err)
	}
	var expected golden
	if err := json.Unmarshal(text, &expected); err != nil || len(expected) == 0 {
		t.Fatalf("%d golden images: %v", len(expected), err)
	}
	worst, answered := 0.0, 0
	for name, want := range expected {
		file, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		if refusal := picture.Check(file); refusal != nil {
			t.Logf("%s refused: %s", name, refusal)
			continue
		}
		_, got, err := model.Run(file)
		if err != nil {
			if _, isRefusal := err.(*picture.Refusal); !isRefusal || want != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if want == nil {
			t.Errorf("%s: answered, which Python refuses", name)
			continue
		}
		answered++
		difference := largest(got, want)
		if worst = max(worst, difference); difference > tolerance || math.IsNaN(difference) {
			t.Errorf("%s: probabilities differ by %g", name, difference)
		}
	}
	t.Logf("PARITY %d images answered, largest difference of a probability %.2g", answered, worst)
	if answered < 16 {
		t.Errorf("only %d golden images were answered", answered)
	}
}

func largest(got []float32, want []float64) float64 {
	worst := 0.0
	for i := range want {
		worst = max(worst, math.Abs(float64(got[i])-want[i]))
	}
	return worst
}

func TestRunSaysWhoIsAtFault(t *testing.T) {
	model, _ := loaded(t)
	for _, damaged := range []string{"\xff\xd8\xff\xe0 no picture", "\x89PNG\r\n\x1a\n"} {
		_, _, err := model.Run([]byte(damaged))
		if refusal, isRefusal := err.(*picture.Refusal); !isRefusal || refusal.Code != picture.NotAnImage {
			t.Errorf("%q: %v", damaged, err)
		}
	}
	// A header that promises 100,000 x 100,000 pixels.
	header := "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x01\x86\xa0\x00\x01\x86\xa0\x08\x02\x00\x00\x00"
	_, _, err := model.Run([]byte(header))
	if refusal, isRefusal := err.(*picture.Refusal); !isRefusal || refusal.Code != picture.TooManyPixels {
		t.Errorf("a huge image: %v", err)
	}
}

func TestLoadRefusesWhatIsNoGraph(t *testing.T) {
	if _, err := network.Load(&bundle.Bundle{Folder: t.TempDir(), Model: "1"}, 1); err == nil {
		t.Error("an empty folder was loaded")
	}
}
