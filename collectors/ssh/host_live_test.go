//go:build linux

package ssh_test

import (
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/throughline-dc/throughline/collectors/ssh"
	"github.com/throughline-dc/throughline/fixtures/live"
	"github.com/throughline-dc/throughline/topology"
)

// TestLiveHost_lines sends the fixed lines to the programs of this machine, as far as they are installed: what they print is understood to the last row.
func TestLiveHost_lines(t *testing.T) {
	t.Parallel()
	live.Require(t)
	n := live.NewNode(t, "hv")
	n.Run(t, "ip", "link", "add", "eno1", "type", "veth", "peer", "name", "eno2")
	shaped := n.Command(t.Context(), "tc", "qdisc", "add", "dev", "eno1", "root", "tbf", "rate", "2mbit", "burst", "16kb", "latency", "400ms").Run() == nil
	classified := n.Command(t.Context(), "tc", "qdisc", "add", "dev", "eno2", "clsact").Run() == nil
	rules := n.Command(t.Context(), "nft", "add table inet t; add chain inet t c { type filter hook input priority 0; policy drop; }; add rule inet t c counter accept").Run() == nil
	answers := map[string][]byte{}
	for table, line := range ssh.HostLines() {
		raw, err := n.Command(t.Context(), "sh", "-c", line).Output()
		var failed *exec.ExitError
		switch {
		case errors.As(err, &failed) && failed.ExitCode() == 127, strings.HasPrefix(table, "ovs-"), table == "multipath", table == "iscsiadm":
			continue // not installed, or nothing runs that would answer
		case err != nil:
			t.Errorf("%s: %v", table, err)
		}
		answers[table] = raw
	}
	observations, unparsed := ssh.Replay(hostDevice(), answers, time.Unix(0, 0))
	for _, u := range unparsed {
		t.Errorf("not understood: %v", u)
	}
	var said strings.Builder
	for _, o := range observations {
		if o.Reading.Partial {
			t.Errorf("%s is partial: %s", o.Reading.Table, o.Reading.Reason)
		}
		for _, f := range o.Facts {
			said.WriteString(f.String() + "\n")
		}
	}
	facts := said.String()
	if shaped && !strings.Contains(facts, "/eno1 "+topology.AttrQdisc.String()+"=tbf ") {
		t.Errorf("the shaping of eno1 is not stated:\n%s", facts)
	}
	if classified && !strings.Contains(facts, "/eno2 "+topology.AttrUnparsed.String()+"=tc-qdisc: clsact") {
		t.Errorf("the classifiers of eno2 are not stated:\n%s", facts)
	}
	if rules && !strings.Contains(facts, `"policy":"drop"`) {
		t.Errorf("the rules are not kept:\n%s", facts)
	}
	t.Logf("%d of %d commands answered", len(answers), len(ssh.HostLines()))
}
