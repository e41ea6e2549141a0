package cli_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/collectors/cli"
)

// The 16 configurations of the Stanford backbone, from text to filters and facts.
func BenchmarkReadConfig_stanford(b *testing.B) {
	files, err := filepath.Glob(filepath.Join(corpus(b, "stanford-backbone"), "ios", "*_config.txt"))
	if err != nil {
		b.Fatal(err)
	}
	var texts [][]byte
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			b.Fatal(err)
		}
		texts = append(texts, raw)
	}
	for b.Loop() {
		for _, raw := range texts {
			c, err := cli.ReadConfig("ios-config", "f", collectors.Device{Handle: "r"}, raw)
			if err != nil || len(c.Facts()) == 0 {
				b.Fatal(err)
			}
		}
	}
}
