package shell_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/throughline-dc/throughline/collectors/shell"
)

func TestConnections(t *testing.T) {
	t.Parallel()
	const answer = `0      0      10.1.30.50:3260  10.1.30.12:57432
0      36     10.99.0.41:22    10.99.0.2:50022 timer:(on,200ms,0)

0 0 [::ffff:192.0.2.1]:3260 [fe80::1%eth0]:1
0 0 192.0.2.50%eth0:3260 192.0.2.1:40000
ss: who knows
Recv-Q Send-Q Local:Port Peer:Port
0 0 10.1.30.50:* 10.1.30.12:1
`
	list, tally := shell.Connections([]byte(answer))
	var got strings.Builder
	for _, c := range list {
		fmt.Fprintf(&got, "%s %s\n", c.Local, c.Peer)
	}
	for _, u := range tally.Left {
		fmt.Fprintf(&got, "%s: %s: %s\n", u.Where, u.Text, u.Why)
	}
	const want = `10.1.30.50:3260 10.1.30.12:57432
10.99.0.41:22 10.99.0.2:50022
192.0.2.1:3260 [fe80::1]:1
192.0.2.50:3260 192.0.2.1:40000
line 6: ss: who knows: not a connection
line 7: Recv-Q Send-Q Local:Port Peer:Port: not the queues and ends of a connection
line 8: 0 0 10.1.30.50:* 10.1.30.12:1: not the queues and ends of a connection
`
	if d := cmp.Diff(want, got.String()); d != "" || tally.Rows != 7 {
		t.Errorf("%d rows (-want +got):\n%s", tally.Rows, d)
	}
	if list, tally := shell.Connections(nil); len(list) > 0 || tally.Rows > 0 || len(tally.Left) > 0 {
		t.Errorf("of nothing: %v, %v", list, tally)
	}
}

// FuzzConnections feeds anything: every row is understood or kept.
func FuzzConnections(f *testing.F) {
	f.Add([]byte("0 0 192.0.2.50:3260 192.0.2.1:40000\n"))
	f.Add([]byte("0 0 [::1]:3260 *:*\nState\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		list, tally := shell.Connections(raw)
		if len(list)+len(tally.Left) != tally.Rows {
			t.Errorf("%d connections and %d that are not understood, of %d rows", len(list), len(tally.Left), tally.Rows)
		}
	})
}
