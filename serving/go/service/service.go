package service

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/semaphore"

	"sightline/settings"
)

const (
	defaultTopK = 5
	megabyte    = 1_000_000
	// largestBodies is how many of the largest size are held in memory, all together, as serving/front/intake.py.
	largestBodies = 8
)

// Service is one model behind HTTP.
type Service struct {
	settings settings.Settings
	follower *Follower
	metrics  *Metrics
	workers  *workers
	cache    *cache
	intake   *semaphore.Weighted
	draining atomic.Bool
}

// New is a service that has no model yet: Follow loads it.
func New(read settings.Settings, load Load) *Service {
	metrics := NewMetrics()
	remembered := newCache(read.CacheMegabytes*megabyte, settings.Duration(read.CacheSeconds))
	return &Service{
		settings: read,
		metrics:  metrics,
		workers:  newWorkers(read.Threads, read.Queue, settings.Duration(read.AnswerSeconds)),
		cache:    remembered,
		intake:   semaphore.NewWeighted(largestBodies * read.MaxBodyBytes),
		follower: &Follower{place: read.Place, load: load, retry: settings.Duration(read.RetrySeconds), metrics: metrics,
			onChange: func(served *Served) { remembered.fit(len(served.ClassNames)) }},
	}
}

// Follow serves what the settings' place names, until the context ends.
func (s *Service) Follow(ctx context.Context) {
	s.follower.Follow(ctx, settings.Duration(s.settings.PollSeconds))
}

// Drain makes /readyz say that no more requests are wanted; those that come are answered.
func (s *Service) Drain() { s.draining.Store(true) }

func (s *Service) served() (*Served, error) {
	if served := s.follower.Served(); served != nil {
		return served, nil
	}
	return nil, failuref(http.StatusServiceUnavailable, "not_ready", "no model could be loaded yet, the log says why:"+
		" it has to be what `sightline export MODEL --format saved_model` writes")
}

// classify answers POST /v1/classify.
func (s *Service) classify(w http.ResponseWriter, r *http.Request) error {
	served, err := s.served()
	if err != nil {
		return err
	}
	topK, err := wantedTopK(r, len(served.ClassNames))
	if err != nil {
		return err
	}
	kind, parameters, err := contentKind(r)
	if err != nil {
		return err
	}
	if err := s.workers.checkRoom(); err != nil {
		return err
	}
	counted := &countedBody{ReadCloser: r.Body, intake: s.intake}
	defer counted.release()
	r.Body = counted
	body, err := readBody(w, r, s.settings.MaxBodyBytes, settings.Duration(s.settings.BodySeconds))
	if err != nil {
		return err
	}
	take := func() ([]byte, error) { return takers[kind](parameters, body) }
	useCache := !strings.Contains(strings.ToLower(r.Header.Get("Cache-Control")), "no-cache")
	return s.answer(w, served, take, topK, useCache)
}

// wantedTopK is how many classes the answer is to list.
func wantedTopK(r *http.Request, classes int) (int, error) {
	if !r.URL.Query().Has("top_k") {
		return min(defaultTopK, classes), nil
	}
	received := r.URL.Query().Get("top_k")
	number, err := strconv.ParseUint(received, 10, 20)
	if err != nil || number < 1 || int(number) > classes {
		return 0, badRequest("bad_top_k", "top_k %.20q: a whole number from 1 to %d is allowed", received, classes)
	}
	return int(number), nil
}
