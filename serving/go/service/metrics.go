package service

import (
	"net/http"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"sightline/doubt"
)

const (
	arm = "champion" // the only one here
	// The class_name of images without any label, which no class can be called.
	noLabel = ""
)

// buckets as serving/observers/metrics.py has them, in seconds.
var buckets = []float64{0.0005, 0.001, 0.002, 0.004, 0.008, 0.012, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10}

// tenths written out: LinearBuckets adds them up to 0.7999999999999999.
var tenths = []float64{0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1}

// Metrics have the names and labels of the BentoML service, where they mean the same.
type Metrics struct {
	registry *prometheus.Registry

	requests, predictions, abstained, cache, failures *prometheus.CounterVec
	latency, confidence                               *prometheus.HistogramVec
	served                                            *prometheus.GaugeVec
}

// NewMetrics are those of one process.
func NewMetrics() *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "sightline_" + name + "_total", Help: help}, labels)
	}
	histogram := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		options := prometheus.HistogramOpts{Name: "sightline_" + name, Help: help, Buckets: buckets}
		return prometheus.NewHistogramVec(options, labels)
	}
	m := &Metrics{
		registry:    prometheus.NewRegistry(),
		requests:    counter("requests", "Answers of the API", "route", "status"),
		predictions: counter("predictions", "Images by predicted class", "model", "version", "arm", "class_name"),
		abstained:   counter("abstained", "Images for a person to look at", "model", "version"),
		cache:       counter("cache", "Questions to the cache", "result"),
		failures:    counter("load_failures", "Versions that could not be loaded", "model"),
		latency: histogram("latency_seconds",
			"Time of answered images; infer decodes too, total runs from the complete request to the answer", buckets, "phase"),
		confidence: histogram("confidence", "Probability of the likeliest class",
			tenths, "model", "version"),
		served: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "sightline_served_version",
			Help: "The version that answers; absent until a first one is loaded"}, []string{"model", "arm"}),
	}
	m.registry.MustRegister(m.requests, m.predictions, m.abstained, m.cache, m.failures, m.latency, m.confidence,
		m.served, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *Metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

func (m *Metrics) counted(route string, status int) {
	m.requests.WithLabelValues(route, strconv.Itoa(status)).Inc()
}

func (m *Metrics) classified(served *Served, names []string, confidence float32, judged doubt.Judgement) {
	model, version := served.Version.Model, strconv.Itoa(served.Number)
	if len(names) == 0 {
		names = []string{noLabel}
	}
	for _, name := range names {
		m.predictions.WithLabelValues(model, version, arm, name).Inc()
	}
	m.confidence.WithLabelValues(model, version).Observe(float64(confidence))
	abstained := m.abstained.WithLabelValues(model, version)
	if judged.Abstain {
		abstained.Inc()
	}
}

func (m *Metrics) askedCache(isKnown bool) {
	result := "miss"
	if isKnown {
		result = "hit"
	}
	m.cache.WithLabelValues(result).Inc()
}

func (m *Metrics) took(seconds Seconds) {
	m.latency.WithLabelValues("queue").Observe(seconds.Queue)
	m.latency.WithLabelValues("infer").Observe(seconds.Infer)
	m.latency.WithLabelValues("total").Observe(seconds.Total)
}

func (m *Metrics) serves(served *Served) {
	m.served.Reset() // another model's name would stay at its last version
	m.served.WithLabelValues(served.Version.Model, arm).Set(float64(served.Number))
}

func (m *Metrics) failed(model string) { m.failures.WithLabelValues(model).Inc() }
