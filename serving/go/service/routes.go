package service

import (
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"time"

	"sightline/settings"
)

const (
	counted = "/v1/"
	// The label of paths at which nothing is: a label is kept for ever.
	noRoute = "other"
)

var requestIDForm = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

type route func(w http.ResponseWriter, r *http.Request) error

// Handler is everything that the service answers.
func (s *Service) Handler() http.Handler {
	mux := http.NewServeMux()
	add := func(method, path string, answer route) {
		mux.Handle(path, only(method, answer))
	}
	add(http.MethodPost, "/v1/classify", s.classify)
	add(http.MethodPost, "/v1/models/{name}/classify", s.classifyByName)
	add(http.MethodGet, "/v1/models", s.listModels)
	add(http.MethodGet, "/v1/models/{name}", s.showModel)
	add(http.MethodGet, "/livez", alive)
	add(http.MethodGet, "/healthz", alive)
	add(http.MethodGet, "/readyz", s.ready)
	mux.Handle("/metrics", s.metrics.handler())
	mux.Handle("/", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Pattern = noRoute
		writeFailure(w, failuref(http.StatusNotFound, "not_found", "%s %.100s: Not Found", r.Method, r.URL.Path))
	}))
	return s.edge(mux)
}

func only(method string, answer route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := error(nil)
		if r.Method == method || (r.Method == http.MethodHead && method == http.MethodGet) {
			err = answer(w, r)
		} else {
			w.Header().Set("Allow", method)
			err = failuref(http.StatusMethodNotAllowed, "method_not_allowed", "%.20s %.100s: Method Not Allowed",
				r.Method, r.URL.Path)
		}
		if err != nil {
			writeFailure(w, asFailure(err))
		}
	})
}

func alive(w http.ResponseWriter, _ *http.Request) error {
	w.WriteHeader(http.StatusOK)
	return nil
}

func (s *Service) ready(w http.ResponseWriter, r *http.Request) error {
	if s.draining.Load() {
		return failuref(http.StatusServiceUnavailable, "not_ready", "the service is ending")
	}
	if _, err := s.served(); err != nil {
		return err
	}
	return alive(w, r)
}

// edge is the outermost layer: request ids, headers, a log line and a count for each, 500 for a panic.
func (s *Service) edge(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begin, id := time.Now(), r.Header.Get("X-Request-Id")
		if !requestIDForm.MatchString(id) {
			id = newID()
		}
		// As serving/front/headers.py has them, of what serves no page.
		w.Header().Set("X-Request-Id", id)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		if s.draining.Load() {
			w.Header().Set("Connection", "close")
		}
		// Of a refused request too: net/http reads the rest of it before it sends the answer.
		readUntil(w, begin.Add(settings.Duration(s.settings.BodySeconds)))
		seen := &seenWriter{ResponseWriter: w}
		defer func() {
			if fault := recover(); fault != nil {
				slog.Error("a request failed", "request", id, "fault", fmt.Sprint(fault))
				if seen.status == 0 {
					writeFailure(seen, failuref(500, "internal_error", "a fault of the service: its log says which"))
				}
			}
			s.record(r, seen.status, id, time.Since(begin))
		}()
		next.ServeHTTP(seen, r)
	})
}

// record passes over probes and scrapes, which would fill the log with themselves.
func (s *Service) record(r *http.Request, status int, id string, took time.Duration) {
	if !strings.HasPrefix(r.URL.Path, counted) {
		return
	}
	s.metrics.counted(r.Pattern, status)
	slog.Info("answered", "method", r.Method, "route", r.Pattern, "status", status,
		"milliseconds", rounded(1000*took.Seconds(), 3), "request", id)
}

// seenWriter remembers the status.
type seenWriter struct {
	http.ResponseWriter
	status int
}

func (w *seenWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (w *seenWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
