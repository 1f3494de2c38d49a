package service

import (
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"net/http"
	"time"

	"github.com/google/uuid"

	"sightline/picture"
)

// answer works in a thread's place and writes what came of it.
func (s *Service) answer(
	w http.ResponseWriter, served *Served, take func() ([]byte, error), topK int, useCache bool,
) error {
	asked := time.Now()
	type outcome struct {
		answer Answer
		err    error
	}
	done := make(chan outcome, 1) // not a variable: a late answer comes after this function's end
	err := s.workers.run(func(waited time.Duration) {
		image, err := take()
		if err != nil {
			done <- outcome{err: err}
			return
		}
		answer, infer, err := s.look(served, image, topK, useCache)
		seconds := Seconds{Queue: waited.Seconds(), Infer: infer.Seconds(), Total: time.Since(asked).Seconds()}
		if err == nil {
			s.metrics.took(seconds)
		}
		answer.Milliseconds = seconds.milliseconds()
		done <- outcome{answer, err}
	})
	if err != nil {
		return err
	}
	result := <-done
	if result.err != nil {
		return result.err
	}
	writeJSON(w, http.StatusOK, result.answer)
	return nil
}

// look is the version's answer for one encoded image, with the time that the graph took.
func (s *Service) look(served *Served, image []byte, topK int, useCache bool) (Answer, time.Duration, error) {
	var took time.Duration
	compute := func() (known, error) {
		if refusal := picture.Check(image); refusal != nil {
			return known{}, refusal
		}
		begin := time.Now()
		logits, probabilities, err := served.Run(image)
		took = time.Since(begin)
		return known{logits, probabilities}, err
	}
	remembered := s.cache
	if !useCache {
		remembered = &cache{}
	}
	sum := sha256.Sum256(image)
	found, isKnown, err := remembered.answer(served.Digest+"-"+hex.EncodeToString(sum[:]), compute)
	if err != nil {
		if asFailure(err).Status == http.StatusInternalServerError {
			slog.Error("a version could not infer", "model", served.Version.Model, "version", served.Number, "error", err)
		}
		return Answer{}, took, err
	}
	if remembered.answers != nil {
		s.metrics.askedCache(isKnown)
	}
	judged := served.Judge(found.logits, found.probabilities)
	answer, names := describe(served, found.probabilities, judged, topK)
	s.metrics.classified(served, names, found.probabilities[judged.Ranked[0]], judged)
	answer.ID, answer.Cached = newID(), isKnown
	return answer, took, nil
}

// newID is 32 hex digits, the first 12 the time: a UUID version 7, as registry.predictions makes them.
func newID() string {
	id := uuid.Must(uuid.NewV7())
	return hex.EncodeToString(id[:])
}
