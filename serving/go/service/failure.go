// Package service answers HTTP as the BentoML service does (docs/serving.md): the same routes, JSON, errors and
// metrics, of the one model that it is given.
package service

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"sightline/picture"
)

// Failure is a request that is answered with an error: HTTP status, code for programs, message for people.
type Failure struct {
	Status        int
	Code, Message string
	RetryAfter    int // seconds; 0: not said
}

func (f *Failure) Error() string { return f.Message }

var statuses = map[string]int{
	picture.NotAnImage:    http.StatusBadRequest,
	picture.TooManyPixels: http.StatusRequestEntityTooLarge,
	picture.Unsupported:   http.StatusUnsupportedMediaType,
}

func failuref(status int, code, message string, values ...any) *Failure {
	return &Failure{Status: status, Code: code, Message: fmt.Sprintf(message, values...)}
}

// asFailure is what the client is told of any error; of a fault of ours, not what it was.
func asFailure(err error) *Failure {
	var failure *Failure
	if errors.As(err, &failure) {
		return failure
	}
	var refusal *picture.Refusal
	if errors.As(err, &refusal) {
		return failuref(statuses[refusal.Code], refusal.Code, "%s", refusal.Message)
	}
	return failuref(http.StatusInternalServerError, "internal_error", "a fault of the service: its log says which")
}

func writeFailure(w http.ResponseWriter, failure *Failure) {
	if failure.RetryAfter > 0 {
		w.Header().Set("Retry-After", fmt.Sprint(failure.RetryAfter))
	}
	writeJSON(w, failure.Status, map[string]any{
		"error": map[string]string{"code": failure.Code, "message": failure.Message},
	})
}

func writeJSON(w http.ResponseWriter, status int, content any) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false) // class names as they are
	if err := encoder.Encode(content); err != nil {
		panic(err) // our own types: NaN from a model, which the recovery answers with 500
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(bytes.TrimSuffix(text.Bytes(), []byte("\n"))) // a client that left reads nothing
}
