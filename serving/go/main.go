// Command sightline-go serves an exported model over HTTP by TensorFlow's C library, without Python.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/net/netutil"

	"sightline/bundle"
	"sightline/network"
	"sightline/service"
	"sightline/settings"
)

const (
	maxConnections = 4096
	maxHeaderBytes = 32 << 10
	headSeconds    = 10 * time.Second
	idleSeconds    = 75 * time.Second
	// An answer that a client does not read for so long is dropped.
	unreadSeconds = 30
)

func main() {
	read, err := settings.Read(os.Args[1:], os.LookupEnv, os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err == nil {
		err = serve(read)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "sightline:", err)
		os.Exit(2)
	}
}

func serve(read settings.Settings) error {
	if read.LogFormat == "json" {
		slog.SetDefault(slog.New(slog.NewJSONHandler(os.Stderr, nil)))
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(read.Host, strconv.Itoa(read.Port)))
	if err != nil {
		return fmt.Errorf("%w: choose another -host or -port", err)
	}
	slog.Info("listens", "address", listener.Addr().String())
	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer cancel()
	answering := service.New(read, load(max(1, runtime.GOMAXPROCS(0)/read.Threads)))
	go answering.Follow(stop)
	server := newServer(read, answering.Handler())
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(netutil.LimitListener(listener, maxConnections)) }()
	select {
	case err := <-failed:
		return err
	case <-stop.Done():
	}
	return drain(read, answering, server)
}

// drain goes on answering for a moment, in which a balancer learns that it is to look elsewhere; then takes
// nothing new, and ends what was begun. Idle connections stay open for that moment: closing them at once would
// reset those on which a request is under way.
func drain(read settings.Settings, answering *service.Service, server *http.Server) error {
	slog.Info("ends: what was begun is answered")
	answering.Drain()
	time.Sleep(settings.Duration(read.DrainSeconds))
	within, cancel := context.WithTimeout(context.Background(), settings.Duration(read.BodySeconds+read.AnswerSeconds))
	defer cancel()
	return server.Shutdown(within)
}

func newServer(read settings.Settings, handler http.Handler) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: headSeconds,
		WriteTimeout:      settings.Duration(read.BodySeconds + read.AnswerSeconds + unreadSeconds),
		IdleTimeout:       idleSeconds,
		MaxHeaderBytes:    maxHeaderBytes,
	}
}

func load(cores int) service.Load {
	return func(opened *bundle.Bundle) (service.Run, error) {
		loaded, err := network.Load(opened, cores)
		if err != nil {
			return nil, err
		}
		return loaded.Run, nil
	}
}
