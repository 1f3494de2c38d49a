package service

import "net/http"

// summary is what /v1/models lists, card what it says of one model: serving/schemas/models.py.
type summary struct {
	Name       string   `json:"name"`
	Default    bool     `json:"default"`
	Version    int      `json:"version"`
	Loaded     bool     `json:"loaded"`
	Challenger any      `json:"challenger"` // always null
	Task       string   `json:"task"`
	ClassNames []string `json:"class_names"`
	ImageSize  [2]int   `json:"image_size"`
	Runtime    string   `json:"runtime"`
	Precision  string   `json:"precision"`
}

type card struct {
	summary
	Digest    string         `json:"digest"`
	SizeBytes int64          `json:"size_bytes"`
	Metrics   map[string]any `json:"metrics"` // an export carries none
	Lineage   any            `json:"lineage"` // always null
}

func (s *Service) listModels(w http.ResponseWriter, _ *http.Request) error {
	models := []summary{}
	if served, err := s.served(); err == nil {
		models = append(models, summarise(served))
	}
	writeJSON(w, http.StatusOK, models)
	return nil
}

func (s *Service) showModel(w http.ResponseWriter, r *http.Request) error {
	served, err := s.named(r)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, card{summarise(served), served.Digest, served.Bytes, map[string]any{}, nil})
	return nil
}

func (s *Service) classifyByName(w http.ResponseWriter, r *http.Request) error {
	if _, err := s.named(r); err != nil {
		return err
	}
	return s.classify(w, r)
}

// named is the model of the path; Failure 404 for any other.
func (s *Service) named(r *http.Request) (*Served, error) {
	served, err := s.served()
	if err == nil && served.Version.Model != r.PathValue("name") {
		err = failuref(http.StatusNotFound, "unknown_model", "no model %.100q here: there is %s",
			r.PathValue("name"), served.Version.Model)
	}
	return served, err
}

func summarise(served *Served) summary {
	return summary{
		Name: served.Version.Model, Default: true, Version: served.Number, Loaded: true, Task: served.Task,
		ClassNames: served.ClassNames, ImageSize: served.Preprocessing.ImageSize,
		Runtime: served.Runtime, Precision: served.Precision,
	}
}
