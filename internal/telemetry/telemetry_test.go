package telemetry_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/throughline-dc/throughline/internal/telemetry"
)

func TestLog(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"", "text", "json"} {
		for level, lines := range map[string]int{"debug": 4, "": 3, "info": 3, "warn": 2, "error": 1} {
			var out bytes.Buffer
			log, err := telemetry.Log{Format: format, Level: level}.New(&out)
			if err != nil {
				t.Fatal(err)
			}
			log.Debug("d")
			log.Info("i")
			log.Warn("w")
			log.Error("e", "device", "leaf\x1b[31m\n1")
			got := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
			if len(got) != lines || strings.Contains(out.String(), "\x1b") {
				t.Errorf("%s %s: %d lines: %q", format, level, len(got), got)
			}
			if last := got[len(got)-1]; format == "json" {
				var record struct {
					Time               time.Time
					Level, Msg, Device string
				}
				if err := json.Unmarshal([]byte(last), &record); err != nil || record.Level != "error" || record.Msg != "e" ||
					record.Time.Location() != time.UTC || record.Device != "leaf\x1b[31m\n1" {
					t.Errorf("%v: %+v", err, record)
				}
			} else if !strings.Contains(last, `Z level=error msg=e device="leaf\x1b[31m\n1"`) {
				t.Errorf("got %s", last)
			}
		}
	}
}

func TestLog_refuses(t *testing.T) {
	t.Parallel()
	for _, l := range []telemetry.Log{{Format: "xml"}, {Level: "loud"}} {
		if log, err := l.New(&bytes.Buffer{}); err == nil || log != nil {
			t.Errorf("%+v: %v, %v", l, log, err)
		}
	}
}
