package snmp_test

import (
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/collectors/snmp"
	"github.com/throughline-dc/throughline/fixtures/sim/snmpagent"
	"github.com/throughline-dc/throughline/internal/snmprec"
	"github.com/throughline-dc/throughline/topology"
)

// TestCollector_fewSockets reads many devices at once, in both versions of the protocol: all requests come from the sockets that the devices
// share, and every device is told apart from the others.
func TestCollector_fewSockets(t *testing.T) {
	t.Parallel()
	const devices, most = 24, 3
	collector := snmp.New(snmp.Options{})
	agents := make([]*snmpagent.Agent, devices)
	var reads sync.WaitGroup
	together := make(chan struct{}) // the sockets are closed when nobody reads
	for i := range agents {
		name := "leaf" + strconv.Itoa(i)
		agents[i] = startAgent(t, slices.Concat(fill(ifXTable(), numbered(50)), []snmprec.Varbind{{OID: mib(1, 5, 0), Value: snmprec.StringValue(name)}}))
		agents[i].SetFaults(snmpagent.Faults{Delay: 20 * time.Millisecond}) // none is done before all have begun
		access := v2c()
		if i%2 == 0 {
			access = v3()
		}
		d := collectors.Device{Handle: name, Address: agents[i].Address().String(), Source: topology.SourceSNMP, Access: access}
		reads.Go(func() {
			<-together
			observations, err := collector.Collect(t.Context(), d)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				return
			}
			facts := tableOf(t, observations, "system").Facts
			if !slices.ContainsFunc(facts, func(f topology.Fact) bool { return f.Attr == topology.AttrSysName && f.Value.String() == name }) {
				t.Errorf("%s says %v", name, facts)
			}
		})
	}
	close(together)
	reads.Wait()
	var clients []netip.AddrPort
	for _, a := range agents {
		clients = append(clients, a.Clients()...)
	}
	slices.SortFunc(clients, netip.AddrPort.Compare)
	if clients = slices.Compact(clients); len(clients) > most {
		t.Errorf("requests come from %d sockets, want at most %d: %v", len(clients), most, clients)
	}
}
