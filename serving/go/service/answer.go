package service

import (
	"math"

	"sightline/doubt"
)

// Probability of a class; Present is said of a multi-label model's labels alone.
type Probability struct {
	Name        string  `json:"name"`
	Probability float32 `json:"probability"`
	Present     *bool   `json:"present,omitempty"`
}

// Uncertainty as serving/schemas/answers.py; what the model has no rule for is left out.
type Uncertainty struct {
	Energy        float64   `json:"energy"`
	Unusual       bool      `json:"unusual"`
	Abstain       *bool     `json:"abstain,omitempty"`
	PredictionSet *[]string `json:"prediction_set,omitempty"`
	Coverage      *float64  `json:"coverage,omitempty"`
}

// Seconds of one image; in the answer they are milliseconds. Decode is 0: the graph decodes within Infer.
type Seconds struct {
	Queue  float64 `json:"queue"`
	Decode float64 `json:"decode"`
	Infer  float64 `json:"infer"`
	Total  float64 `json:"total"`
}

// Answer is the JSON of one image, in the order of the BentoML service's.
type Answer struct {
	ID           string        `json:"id"`
	Model        string        `json:"model"`
	Version      int           `json:"version"`
	Arm          string        `json:"arm"`
	Task         string        `json:"task"`
	Class        *string       `json:"class,omitempty"`
	Confidence   *float32      `json:"confidence,omitempty"`
	Labels       *[]string     `json:"labels,omitempty"`
	Classes      []Probability `json:"classes"`
	Uncertainty  *Uncertainty  `json:"uncertainty"`
	Cached       bool          `json:"cached"`
	Milliseconds Seconds       `json:"milliseconds"`
}

// describe is the part of the answer that says what is in the image.
func describe(served *Served, probabilities []float32, judged doubt.Judgement, topK int) (Answer, []string) {
	names := named(served, judged)
	answer := Answer{
		Model: served.Version.Model, Version: served.Number, Arm: arm, Task: served.Task,
		Uncertainty: doubtOf(served, judged),
	}
	for _, class := range judged.Ranked[:topK] {
		row := Probability{Name: served.ClassNames[class], Probability: probabilities[class]}
		if judged.Present != nil {
			row.Present = &judged.Present[class]
		}
		answer.Classes = append(answer.Classes, row)
	}
	if served.Task == doubt.MultiLabel {
		answer.Labels = &names
	} else {
		answer.Class, answer.Confidence = &names[0], &answer.Classes[0].Probability
	}
	return answer, names
}

// named is the class, or the labels that are present, most probable first.
func named(served *Served, judged doubt.Judgement) []string {
	if served.Task != doubt.MultiLabel {
		return []string{served.ClassNames[judged.Ranked[0]]}
	}
	return members(served, judged, judged.Present)
}

func members(served *Served, judged doubt.Judgement, held []bool) []string {
	names := []string{}
	for _, class := range judged.Ranked {
		if held[class] {
			names = append(names, served.ClassNames[class])
		}
	}
	return names
}

func doubtOf(served *Served, judged doubt.Judgement) *Uncertainty {
	if served.Rules == nil {
		return nil
	}
	said := &Uncertainty{Energy: rounded(judged.Energy, 4), Unusual: judged.Unusual}
	if served.Task == doubt.MultiLabel {
		return said
	}
	said.Abstain = &judged.Abstain
	if sets := served.Rules.Sets; sets != nil {
		held := members(served, judged, judged.Set)
		said.PredictionSet, said.Coverage = &held, &sets.Coverage
	}
	return said
}

func (s Seconds) milliseconds() Seconds {
	return Seconds{Queue: rounded(1000*s.Queue, 3), Infer: rounded(1000*s.Infer, 3), Total: rounded(1000*s.Total, 3)}
}

func rounded(value float64, digits int) float64 {
	scale := math.Pow10(digits)
	return math.Round(value*scale) / scale
}
