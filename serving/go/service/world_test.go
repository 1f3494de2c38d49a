package service

import (
	"bytes"
	"encoding/json"
	"errors"
	"image"
	"image/png"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"sync/atomic"
	"testing"

	"sightline/bundle"
	"sightline/bundle/bundletest"
	"sightline/picture"
	"sightline/settings"
)

// world is a service of a fake model: of three classes, the second is the likeliest.
type world struct {
	*Service
	runs   atomic.Int32
	during func() // runs while an image is answered
}

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	os.Exit(m.Run())
}

var errBroken = errors.New("no memory")

func newWorld(t *testing.T, place bundle.Place, change func(*settings.Settings)) *world {
	t.Helper()
	read := settings.Settings{Place: place, MaxBodyBytes: 1000, BodySeconds: 5, AnswerSeconds: 5, Threads: 1,
		Queue: 1, RetrySeconds: 60, CacheMegabytes: 1, CacheSeconds: 60}
	if change != nil {
		change(&read)
	}
	made := &world{during: func() {}}
	made.Service = New(read, made.load)
	return made
}

// started serves an export with these changes of its description.
func started(t *testing.T, changes map[string]any, change func(*settings.Settings)) *world {
	t.Helper()
	made := newWorld(t, bundle.Place{Folder: bundletest.Export(t, t.TempDir(), changes), Model: "digits"}, change)
	made.follower.look()
	if made.follower.Served() == nil {
		t.Fatal(made.follower.said)
	}
	made.runs.Store(0) // without the warm-up
	return made
}

func (w *world) load(opened *bundle.Bundle) (Run, error) {
	return func(file []byte) ([]float32, []float32, error) {
		w.runs.Add(1)
		w.during()
		switch {
		case bytes.HasSuffix(file, []byte("broken")):
			return nil, nil, errBroken
		case bytes.HasSuffix(file, []byte("damaged")):
			return nil, nil, &picture.Refusal{Code: picture.NotAnImage, Message: "cut short"}
		}
		return []float32{1, 2, 0}, []float32{0.25, 0.7, 0.05}, nil
	}, nil
}

// aPNG is an encoded image; what is put after its end makes another one of it.
func aPNG(t *testing.T, after string) []byte {
	t.Helper()
	var file bytes.Buffer
	if err := png.Encode(&file, image.NewGray(image.Rect(0, 0, 4, 3))); err != nil {
		t.Fatal(err)
	}
	return append(file.Bytes(), after...)
}

func (w *world) send(request *http.Request) *httptest.ResponseRecorder {
	recorder := httptest.NewRecorder()
	w.Handler().ServeHTTP(recorder, request)
	return recorder
}

func (w *world) get(path string) *httptest.ResponseRecorder {
	return w.send(httptest.NewRequest(http.MethodGet, path, nil))
}

func (w *world) post(path, contentType string, body []byte) *httptest.ResponseRecorder {
	request := httptest.NewRequest(http.MethodPost, path, bytes.NewReader(body))
	request.Header.Set("Content-Type", contentType)
	return w.send(request)
}

// read decodes JSON.
func read[T any](t *testing.T, recorder *httptest.ResponseRecorder) T {
	t.Helper()
	var content T
	if err := json.Unmarshal(recorder.Body.Bytes(), &content); err != nil {
		t.Fatalf("%v in %q", err, recorder.Body)
	}
	return content
}

func errorCode(t *testing.T, recorder *httptest.ResponseRecorder) string {
	t.Helper()
	return read[struct{ Error struct{ Code string } }](t, recorder).Error.Code
}
