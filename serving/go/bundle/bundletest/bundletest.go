// Package bundletest writes exports for tests: sealed as the real ones, with a graph that nothing can run.
package bundletest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// Graph is the content of saved_model.pb.
const Graph = "not a graph"

// Export writes an export of three classes below the folder, and returns the folder. `changes` replace fields
// of its description.
func Export(t *testing.T, folder string, changes map[string]any) string {
	t.Helper()
	sum := sha256.Sum256([]byte(Graph))
	description := map[string]any{
		"schema_version": 1, "format": "saved_model", "runtime": "saved_model", "precision": "float32",
		"class_names": []string{"a", "b", "ç"}, "task": "multi_class", "thresholds": []float64{}, "uncertainty": nil,
		"preprocessing": map[string]any{"image_size": []int{8, 9}, "max_pixels": 100},
		"files":         map[string]string{"1/saved_model.pb": hex.EncodeToString(sum[:])},
	}
	for name, value := range changes {
		description[name] = value
	}
	text, err := json.Marshal(description)
	if err != nil {
		t.Fatal(err)
	}
	Write(t, filepath.Join(folder, "1", "saved_model.pb"), Graph)
	Write(t, filepath.Join(folder, "bundle.json"), string(text))
	return folder
}

// Write puts a file there, with its folders.
func Write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
