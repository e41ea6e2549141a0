// Package topologytest writes graphs in tests as lines that a person can read.
package topologytest

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/throughline-dc/throughline/topology"
)

// Fact reads "port:x/eth0 mtu=1500" or "port:x/eth0 Link port:y/eth1", as topology.Fact.String writes them where no key has a space; behind " ~" may stand the
// confidence. No reading says the fact yet.
func Fact(line string) (topology.Fact, error) {
	text, confidence, doubted := strings.Cut(line, " ~")
	subject, rest, _ := strings.Cut(text, " ")
	key, err := topology.ParseKey(subject)
	if err != nil {
		return topology.Fact{}, err
	}
	var f topology.Fact
	if name, value, ok := strings.Cut(rest, "="); ok && !strings.Contains(name, " ") {
		f, err = attribute(key, name, value)
	} else {
		f, err = relation(key, rest)
	}
	if f.Confidence = topology.ConfidenceStated; err != nil || !doubted {
		return f, err
	}
	n, err := strconv.ParseUint(confidence, 10, 8)
	if err != nil {
		return f, fmt.Errorf("confidence of %q: %w", line, err)
	}
	f.Confidence = uint8(n)
	return f, nil
}

func attribute(key topology.Key, name, value string) (topology.Fact, error) {
	a, err := topology.ParseAttr(name)
	if err != nil {
		return topology.Fact{}, err
	}
	v, err := topology.ParseValue(a.Type(), value)
	return topology.Attribute(key, a, v), err
}

func relation(key topology.Key, rest string) (topology.Fact, error) {
	name, object, _ := strings.Cut(rest, " ")
	r, err := topology.ParseRel(name)
	if err != nil {
		return topology.Fact{}, err
	}
	to, err := topology.ParseKey(object)
	return topology.Relate(key, r, to), err
}
