package bundle

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// PointerFile is the registry's: it names the champion's model and version.
const PointerFile = "champion.json"

// exportFolder is where `sightline export` puts this format below its --output.
const exportFolder = format

// Version is one that is to be served.
type Version struct {
	Model  string
	Number int
	Folder string // with bundle.json in it
}

// Place is where versions are looked for.
type Place struct {
	// Folder is one export, or holds an export a version: NUMBER/ or NUMBER/saved_model/.
	Folder string
	// Pointer is a champion.json that names the version; empty: Folder's own where it has one,
	// else the greatest number serves.
	Pointer string
	// Model is the name in the answers; empty: the pointer's, else the name of Folder.
	Model string
}

// Current is the version that is to be served now; it was not opened yet.
func (p Place) Current() (Version, error) {
	if has(p.Folder) {
		return Version{p.name(""), 1, p.Folder}, nil
	}
	model, number, err := p.pointed()
	if errors.Is(err, os.ErrNotExist) && p.Pointer == "" {
		number, err = p.greatest()
	}
	if err != nil {
		return Version{}, err
	}
	folder := p.folder(number)
	if folder == "" {
		return Version{}, fmt.Errorf("version %d of %s is not there: sightline export %s:%d --format %s --output %s",
			number, p.name(model), p.name(model), number, format, filepath.Join(p.Folder, strconv.Itoa(number)))
	}
	return Version{p.name(model), number, folder}, nil
}

func (p Place) name(pointed string) string {
	if p.Model != "" {
		return p.Model
	}
	if pointed != "" {
		return pointed
	}
	absolute, err := filepath.Abs(p.Folder)
	if err != nil {
		return "model"
	}
	return filepath.Base(absolute)
}

// pointed is what the pointer says. Its digest is the registered bundle's, of which an export is another
// form: the export has hashes of its own.
func (p Place) pointed() (string, int, error) {
	path := p.Pointer
	if path == "" {
		path = filepath.Join(p.Folder, PointerFile)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", 0, fmt.Errorf("no pointer: %w", err)
	}
	var pointer struct {
		Model   string `json:"model"`
		Version int    `json:"version"`
	}
	if err := json.Unmarshal(text, &pointer); err != nil || pointer.Version < 1 {
		return "", 0, fmt.Errorf(`%s is damaged: {"model": NAME, "version": NUMBER} is expected`, path)
	}
	return pointer.Model, pointer.Version, nil
}

func (p Place) greatest() (int, error) {
	entries, err := os.ReadDir(p.Folder)
	if err != nil {
		return 0, err
	}
	found := 0
	for _, entry := range entries {
		if number, err := strconv.Atoi(entry.Name()); err == nil && number > found && p.folder(number) != "" {
			found = number
		}
	}
	if found == 0 {
		return 0, fmt.Errorf("no version below %s: sightline export MODEL:NUMBER --format %s --output %s/NUMBER",
			p.Folder, format, p.Folder)
	}
	return found, nil
}

// folder is that of the version's bundle.json, empty where there is none.
func (p Place) folder(number int) string {
	version := filepath.Join(p.Folder, strconv.Itoa(number))
	for _, folder := range []string{version, filepath.Join(version, exportFolder)} {
		if has(folder) {
			return folder
		}
	}
	return ""
}

func has(folder string) bool {
	_, err := os.Stat(filepath.Join(folder, DescriptionFile))
	return err == nil
}
