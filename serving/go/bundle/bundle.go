// Package bundle opens what `sightline export MODEL --format saved_model` wrote.
//
// Every hash is checked before any file is opened by a library: a model file can run code.
package bundle

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"sightline/doubt"
)

const (
	// DescriptionFile lists the files of a bundle with their sha256.
	DescriptionFile = "bundle.json"
	schemaVersion   = 1
	format          = "saved_model"
	graphFile       = "saved_model.pb"
)

// Preprocessing is what requests need to know of it; the graph does the rest.
type Preprocessing struct {
	ImageSize [2]int `json:"image_size"` // height, width
	MaxPixels int    `json:"max_pixels"`
}

// Description is a bundle.json. Its calibration is in the graph, which answers with probabilities.
type Description struct {
	SchemaVersion int               `json:"schema_version"`
	Files         map[string]string `json:"files"`
	Format        string            `json:"format"`
	Runtime       string            `json:"runtime"`
	Precision     string            `json:"precision"`
	ClassNames    []string          `json:"class_names"`
	Preprocessing Preprocessing     `json:"preprocessing"`
	doubt.Calibration
}

// Bundle is one whose every file was unaltered when it was opened.
type Bundle struct {
	Description
	Folder string
	Digest string // hex sha256 of bundle.json, and so of every file that it lists
	Model  string // the folder below Folder that holds saved_model.pb
	Bytes  int64  // of its model files
}

// Open returns the bundle of the folder, or an error that says which file is missing, altered or unfit.
func Open(folder string) (*Bundle, error) {
	path := filepath.Join(folder, DescriptionFile)
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("no bundle at %s: %w", folder, err)
	}
	opened := &Bundle{Folder: folder, Digest: digest(text)}
	if err := json.Unmarshal(text, &opened.Description); err != nil {
		return nil, fmt.Errorf("%s is not a bundle's description: %w", path, err)
	}
	if err := opened.checkDescription(path); err != nil {
		return nil, err
	}
	if err := opened.checkFiles(); err != nil {
		return nil, err
	}
	if opened.Model, err = newestGraph(opened.Files); err != nil {
		return nil, err
	}
	return opened, opened.checkListed()
}

// Digest is the hex sha256 of a bundle's description, which changes when any of its files does.
func Digest(folder string) (string, error) {
	text, err := os.ReadFile(filepath.Join(folder, DescriptionFile))
	return digest(text), err
}

func digest(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

func (b *Bundle) checkDescription(path string) error {
	if b.SchemaVersion != schemaVersion {
		return fmt.Errorf("%s has schema version %d: this back end reads version %d", path, b.SchemaVersion, schemaVersion)
	}
	if b.Format != format {
		return fmt.Errorf("%s is of format %q: this back end reads what `sightline export MODEL --format %s` writes",
			path, b.Format, format)
	}
	if len(b.ClassNames) == 0 || b.Preprocessing.ImageSize[0] < 1 {
		return fmt.Errorf("%s names no classes or no image size: export the model again", path)
	}
	if err := b.Calibration.Check(len(b.ClassNames)); err != nil {
		return fmt.Errorf("%s: %w: export the model again", path, err)
	}
	return nil
}

func (b *Bundle) checkFiles() error {
	var wrong []error
	for name, expected := range b.Files {
		if !filepath.IsLocal(name) {
			wrong = append(wrong, fmt.Errorf("%s lists %s, which is outside the bundle", DescriptionFile, name))
			continue
		}
		received, size, err := hashFile(filepath.Join(b.Folder, name))
		if err != nil {
			wrong = append(wrong, err)
		} else if received != expected {
			wrong = append(wrong, fmt.Errorf("%s has sha256 %.12s..., expected %.12s...: it was altered after it was sealed",
				name, received, expected))
		}
		b.Bytes += size
	}
	if len(wrong) > 0 {
		return fmt.Errorf("bundle %s: %w; export the model again", b.Folder, errors.Join(wrong...))
	}
	return nil
}

// checkListed refuses what lies beside the graph without a hash: TensorFlow would read it too.
func (b *Bundle) checkListed() error {
	return filepath.WalkDir(filepath.Join(b.Folder, b.Model), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(b.Folder, path)
		if _, isListed := b.Files[filepath.ToSlash(name)]; err == nil && !isListed {
			err = fmt.Errorf("%s is not listed in %s of %s: remove it, or export the model again", name, DescriptionFile, b.Folder)
		}
		return err
	})
}

// hashFile also returns the file's size in bytes.
func hashFile(path string) (string, int64, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer file.Close()
	hash := sha256.New()
	size, err := io.Copy(hash, file)
	return hex.EncodeToString(hash.Sum(nil)), size, err
}

// newestGraph is the folder of the greatest number with a graph in it, as TensorFlow Serving chooses.
func newestGraph(files map[string]string) (string, error) {
	var numbers []int
	for name := range files {
		folder, file, _ := strings.Cut(name, "/")
		// 01 and +1 are not the folder 1, which would be opened unhashed.
		if number, err := strconv.Atoi(folder); err == nil && strconv.Itoa(number) == folder && file == graphFile {
			numbers = append(numbers, number)
		}
	}
	if len(numbers) == 0 {
		return "", fmt.Errorf("%s lists no NUMBER/%s: export the model again", DescriptionFile, graphFile)
	}
	return strconv.Itoa(slices.Max(numbers)), nil
}
