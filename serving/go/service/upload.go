package service

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"os"
	"strings"
	"time"

	"golang.org/x/sync/semaphore"
)

const (
	field   = "image"
	allowed = "send multipart/form-data with a field named image, a raw body of type image/* or" +
		` application/octet-stream, or application/json {"image": "<base64>"}`
	// A form of ours has one part; browsers and clients add a few. More is an attack on the parser.
	maxParts = 16
)

// takers take the encoded image out of a body, by the kind of the body.
var takers = map[string]func(parameters map[string]string, body []byte) ([]byte, error){
	"multipart": fromMultipart,
	"json":      func(_ map[string]string, body []byte) ([]byte, error) { return fromJSON(body) },
	"raw":       func(_ map[string]string, body []byte) ([]byte, error) { return body, nil },
}

// contentKind is a key of takers, with the parameters of the content type.
func contentKind(r *http.Request) (string, map[string]string, error) {
	received := r.Header.Get("Content-Type")
	mediaType, parameters, _ := mime.ParseMediaType(received)
	if encoding := strings.ToLower(r.Header.Get("Content-Encoding")); encoding != "" && encoding != "identity" {
		return "", nil, failuref(http.StatusUnsupportedMediaType, "unsupported_type",
			"compressed bodies are not read: send no Content-Encoding")
	}
	switch {
	case mediaType == "multipart/form-data":
		return "multipart", parameters, nil
	case mediaType == "application/json":
		return "json", nil, nil
	case strings.HasPrefix(mediaType, "image/"), mediaType == "application/octet-stream":
		return "raw", nil, nil
	}
	return "", nil, failuref(http.StatusUnsupportedMediaType, "unsupported_type", "content type %.100q: %s",
		received, allowed)
}

// countedBody takes room in the intake for what has arrived, not for what was announced: who sends nothing holds none.
type countedBody struct {
	io.ReadCloser
	intake *semaphore.Weighted
	held   int64
}

// Read gives Failure 429 where the bytes find no room beside those of others.
func (b *countedBody) Read(into []byte) (int, error) {
	count, err := b.ReadCloser.Read(into)
	if !b.intake.TryAcquire(int64(count)) {
		return 0, &Failure{http.StatusTooManyRequests, "overloaded",
			"too many large requests are being answered: try again in 1 s", 1}
	}
	b.held += int64(count)
	return count, err
}

// release is for the request's end: until then it may hold the bytes.
func (b *countedBody) release() { b.intake.Release(b.held) }

// readBody reads at most maxBytes: Failure 413 beyond them, 408 past the deadline that `edge` has set, of `within`;
// a Failure of the body's own reader as it is.
func readBody(w http.ResponseWriter, r *http.Request, maxBytes int64, within time.Duration) ([]byte, error) {
	if r.ContentLength > maxBytes {
		return nil, tooLarge(maxBytes)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBytes))
	if err == nil { // else it holds for the rest, which the server reads before it answers
		readUntil(w, time.Time{})
	}
	var beyond *http.MaxBytesError
	var failure *Failure
	switch {
	case errors.As(err, &failure):
		return nil, failure
	case errors.As(err, &beyond):
		return nil, tooLarge(maxBytes)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, failuref(http.StatusRequestTimeout, "too_slow",
			"%d bytes arrived in %g seconds: send the whole request within them", len(body), within.Seconds())
	case err != nil:
		return nil, failuref(http.StatusBadRequest, "bad_request", "the client left early")
	}
	return body, nil
}

// readUntil sets the deadline of reading from the client; no time: none.
func readUntil(w http.ResponseWriter, deadline time.Time) {
	_ = http.NewResponseController(w).SetReadDeadline(deadline) // not supported by the tests' recorder
}

func tooLarge(maxBytes int64) error {
	return failuref(http.StatusRequestEntityTooLarge, "body_too_large",
		"at most %d bytes are allowed; the server's SIGHTLINE_MAX_BODY_BYTES", maxBytes)
}

func fromJSON(body []byte) ([]byte, error) {
	var content map[string]json.RawMessage // a map: a struct would take "Image" too
	if err := json.Unmarshal(body, &content); err != nil {
		return nil, badRequest("bad_json", "the body is not a JSON object (%.100s): %s", err, allowed)
	}
	var text *string
	if err := json.Unmarshal(content[field], &text); err != nil || text == nil {
		return nil, badRequest("bad_json", `the body must be {"image": "<base64>"}, the image a string`)
	}
	for name := range content {
		if name != field {
			return nil, badRequest("bad_json", "unknown field %.50q: only image is allowed; top_k is a query parameter", name)
		}
	}
	// `base64 FILE` breaks its lines, which is as good as unbroken.
	image, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(*text), ""))
	if err != nil {
		return nil, badRequest("bad_base64", "image is not base64 (%s): send the plain base64 text, without a data: prefix", err)
	}
	return image, nil
}

func fromMultipart(parameters map[string]string, body []byte) ([]byte, error) {
	if parameters["boundary"] == "" {
		return nil, badRequest("bad_multipart", "malformed multipart body: the content type names no boundary")
	}
	var images [][]byte
	form := multipart.NewReader(bytes.NewReader(body), parameters["boundary"])
	for parts := 1; ; parts++ {
		part, err := form.NextRawPart()
		if err == io.EOF { // itself; wrapped: the last boundary is missing
			break
		}
		if err == nil && parts > maxParts {
			return nil, badRequest("bad_multipart", "malformed multipart body: more than %d fields", maxParts)
		}
		var content []byte
		if err == nil {
			content, err = io.ReadAll(part)
		}
		if err != nil {
			return nil, badRequest("bad_multipart", "malformed multipart body: %s", err)
		}
		if part.FormName() == field {
			images = append(images, content)
		}
	}
	if len(images) > 1 {
		return nil, badRequest("several_images", "%d fields named image: send one a request", len(images))
	}
	if len(images) == 0 {
		return nil, badRequest("missing_image", "no field named image: %s", allowed)
	}
	return images[0], nil
}

func badRequest(code, message string, values ...any) error {
	return failuref(http.StatusBadRequest, code, message, values...)
}
