package ssh

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/throughline-dc/throughline/collectors/shell"
)

// nftObjects are the kinds of objects in a ruleset (libnftables-json(5)).
var nftObjects = []string{ //nolint:gochecknoglobals // read-only table
	"metainfo", "table", "chain", "rule", "set", "map", "element", "flowtable", "counter", "quota", "limit", "secmark", "synproxy", "tunnel",
	"ct helper", "ct timeout", "ct expectation",
}

// canonicalNFT checks the objects of "nft -j list ruleset", each a row, and gives them one in a line with sorted members, without handles, and without
// what changes by itself: counters, what is used of a quota, when an element expires and when a rule was last used.
func canonicalNFT(t *tally, dialect string, raw []byte) (string, error) {
	var doc struct {
		Objects []map[string]any `json:"nftables"`
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&doc); err != nil {
		return "", shell.Malformed("%s: %v", dialect, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return "", shell.Malformed("%s: more follows after the ruleset", dialect)
	}
	if doc.Objects == nil {
		return "", shell.Malformed("%s: no list of objects", dialect)
	}
	var text strings.Builder
	text.WriteString(`{"nftables":[`)
	for i, o := range doc.Objects {
		known := false
		for kind, v := range o {
			object, isObject := v.(map[string]any)
			known = len(o) == 1 && isObject && slices.Contains(nftObjects, kind)
			delete(object, "handle")
		}
		settle(o)
		var line bytes.Buffer
		e := json.NewEncoder(&line)
		e.SetEscapeHTML(false)
		if err := e.Encode(o); err != nil {
			return "", shell.Malformed("%s: %v", dialect, err)
		}
		written := strings.TrimSuffix(line.String(), "\n")
		if known {
			t.Rows++
		} else {
			t.Miss("object "+strconv.Itoa(i+1), written, "no such object of a ruleset is known")
		}
		if i > 0 {
			text.WriteByte(',')
		}
		text.WriteString("\n" + written)
	}
	text.WriteString("\n]}\n")
	return text.String(), nil
}

// settle takes out what changes by itself. Names that people give are values in this JSON and never members, so that none of them is meant.
func settle(v any) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			settle(e)
		}
	case map[string]any:
		for name, e := range v {
			drop, ok := e.(map[string]any)
			if !ok {
				continue
			}
			switch name {
			case "counter":
				delete(drop, "packets")
				delete(drop, "bytes")
				if len(drop) == 0 {
					v[name] = nil // as libnftables takes a counter that begins
				}
			case "quota":
				delete(drop, "used")
				delete(drop, "used_unit")
			case "last":
				delete(drop, "used")
			case "elem":
				delete(drop, "expires")
			}
		}
		for _, e := range v {
			settle(e)
		}
	}
}
