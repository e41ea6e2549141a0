// Package telemetry makes the program's logger. There is no global one: it is handed to whoever logs.
package telemetry

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// Log says how and how much is logged.
type Log struct {
	Format string // "text" or "json"; "" is text
	Level  string // "debug", "info", "warn" or "error"; "" is info
}

// New makes a logger that writes to w, one record a line, with times in UTC. Control characters in values are escaped.
func (l Log) New(w io.Writer) (*slog.Logger, error) {
	var level slog.Level
	switch l.Level {
	case "", "info":
		level = slog.LevelInfo
	case "debug":
		level = slog.LevelDebug
	case "warn":
		level = slog.LevelWarn
	case "error":
		level = slog.LevelError
	default:
		return nil, fmt.Errorf("log level %q: want debug, info, warn or error", l.Level)
	}
	options := &slog.HandlerOptions{Level: level, ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		switch {
		case len(groups) == 0 && a.Key == slog.TimeKey && a.Value.Kind() == slog.KindTime:
			a.Value = slog.TimeValue(a.Value.Time().UTC())
		case len(groups) == 0 && a.Key == slog.LevelKey:
			a.Value = slog.StringValue(strings.ToLower(a.Value.String()))
		}
		return a
	}}
	switch l.Format {
	case "", "text":
		return slog.New(slog.NewTextHandler(w, options)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, options)), nil
	}
	return nil, fmt.Errorf("log format %q: want text or json", l.Format)
}
