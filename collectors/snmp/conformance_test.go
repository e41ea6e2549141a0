package snmp_test

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/gosnmp/gosnmp"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/collectors/collectortest"
	"github.com/throughline-dc/throughline/collectors/snmp"
	"github.com/throughline-dc/throughline/fixtures/sim/snmpagent"
	"github.com/throughline-dc/throughline/internal/snmprec"
	"github.com/throughline-dc/throughline/topology"
)

const suiteCommunity = "community-of-the-suite"

// The faults of the suite that break tables.
const (
	brokenState     collectortest.Fault = "genErr at one state of ifTable"
	brokenNames     collectortest.Fault = "silence at one name of ifXTable"
	brokenPorts     collectortest.Fault = "genErr in dot1dBasePortTable"
	brokenVLANs     collectortest.Fault = "genErr at one bitmap of dot1qVlanCurrentTable"
	brokenNeighbors collectortest.Fault = "loop in lldpRemTable"
	brokenAddresses collectortest.Fault = "genErr at a mask of ipAddrTable"
	brokenLLDPPorts collectortest.Fault = "genErr in lldpLocPortTable"
	brokenAll       collectortest.Fault = "tooBig above three values"
)

// named are the tables whose statements need the names of interfaces, bridged those that need the ports of the bridge, too.
func named(more ...string) []string {
	return append([]string{
		"ifTable", "ifXTable", "ifStackTable", "ipAddrTable", "ipAddressTable", "ipNetToMediaTable", "ipNetToPhysicalTable",
		"vlanTrunkPortTable", "vmMembershipTable", "dot3adAggTable", "dot3adAggPortTable", "lldpV2RemTable", "lldpV2RemManAddrTable",
		"cdpCacheTable", "inetCidrRouteTable", "ipCidrRouteTable", "ipRouteTable",
	}, more...)
}

func bridged(more ...string) []string {
	return append([]string{
		"dot1dBasePortTable", "dot1dStpPortTable", "dot1qVlanCurrentTable", "dot1qVlanStaticTable", "dot1qPortVlanTable", "dot1dTpFdbTable",
		"dot1qTpFdbTable", "lldpLocPortTable", "lldpRemTable", "lldpRemManAddrTable",
	}, more...)
}

func TestCollectorConformance(t *testing.T) { //nolint:paralleltest // the suite looks for goroutines that are left over
	collectortest.Run(t, collectortest.Suite{
		New: func(*testing.T) collectors.Collector { return snmp.New(snmp.Options{}) },
		Start: func(t *testing.T, fault collectortest.Fault) collectortest.Fixture {
			t.Helper()
			return startLeaf(t, fault)
		},
		Faults: map[collectortest.Fault][]string{
			collectortest.Silent: nil, collectortest.Denied: nil, collectortest.Stall: nil,
			brokenState:     {"ifTable"},
			brokenNames:     named(bridged()...),
			brokenPorts:     bridged(),
			brokenVLANs:     {"dot1qVlanCurrentTable", "dot1qVlanStaticTable"},
			brokenNeighbors: {"lldpRemTable", "lldpRemManAddrTable"},
			brokenAddresses: {"ipAddrTable", "ipAddressTable"},
			brokenLLDPPorts: {"lldpLocPortTable", "lldpRemTable", "lldpRemManAddrTable"},
			brokenAll:       nil,
		},
		Allowed: listed(),
		Golden:  filepath.Join("testdata", "leaf.golden"),
	})
}

// listed is what the documentation lists: columns are walked, single objects are got.
func listed() []string {
	allowed := []string{"GET .1.3.6.1.2.1.1.3.0"} // sysUpTime: does it still answer?
	for _, r := range snmp.Reads() {
		for _, n := range r.Indicators {
			allowed = append(allowed, "GET ."+n.OID.String())
		}
		for _, o := range r.Objects {
			if r.Scalar {
				allowed = append(allowed, "GET ."+r.OID.Append(o.ID, 0).String())
				continue
			}
			column := "." + r.OID.Append(o.ID).String()
			allowed = append(allowed, "GETBULK "+column, "GETBULK "+column+".*", "GETNEXT "+column, "GETNEXT "+column+".*")
		}
	}
	return allowed
}

func leafFaults(t *testing.T, fault collectortest.Fault) snmpagent.Faults {
	t.Helper()
	at := func(text string) snmprec.OID {
		oid, err := snmprec.ParseOID(text)
		if err != nil {
			t.Fatal(err)
		}
		return oid
	}
	switch fault {
	case collectortest.Silent:
		return snmpagent.Faults{Mute: true}
	case brokenState:
		return snmpagent.Faults{GenErrAt: at("1.3.6.1.2.1.2.2.1.8.7")}
	case brokenNames:
		return snmpagent.Faults{SilentUnder: at("1.3.6.1.2.1.31.1.1.1.1.5")}
	case brokenPorts:
		return snmpagent.Faults{GenErrAt: at("1.3.6.1.2.1.17.1.4.1.2.3")}
	case brokenVLANs:
		return snmpagent.Faults{GenErrAt: at("1.3.6.1.2.1.17.7.1.4.2.1.4.0.20")}
	case brokenNeighbors:
		return snmpagent.Faults{Loops: []snmpagent.Loop{{
			From: at("1.0.8802.1.1.2.1.4.1.1.7.0.103.3"), To: at("1.0.8802.1.1.2.1.4.1.1.7.0.3.7"),
		}}}
	case brokenAddresses:
		return snmpagent.Faults{GenErrAt: at("1.3.6.1.2.1.4.20.1.3.192.0.2.1")}
	case brokenLLDPPorts:
		return snmpagent.Faults{GenErrAt: at("1.0.8802.1.1.2.1.3.7.1.3.103")}
	case brokenAll:
		return snmpagent.Faults{MaxVarbinds: 3}
	default:
		return snmpagent.Faults{}
	}
}

// startLeaf serves testdata/leaf.snmprec. SNMPv2c is spoken so that a relay between the two can tell what was asked; only the
// credentials that are refused are SNMPv3's, since an agent keeps silent to a wrong community.
func startLeaf(t *testing.T, fault collectortest.Fault) collectortest.Fixture {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", "leaf.snmprec"))
	if err != nil {
		t.Fatal(err)
	}
	recording, err := snmprec.ParseSnmprec(raw)
	if err != nil {
		t.Fatal(err)
	}
	store, err := snmpagent.NewStore(recording.Varbinds)
	if err != nil {
		t.Fatal(err)
	}
	agent, err := snmpagent.Start(store, snmpagent.Config{Community: suiteCommunity, Users: []snmpagent.User{reader()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = agent.Close() })
	agent.SetFaults(leafFaults(t, fault))
	way := startRelay(t, agent.Address().String(), fault == collectortest.Stall)
	access := collectors.SNMPAccess{
		Version: collectors.SNMPv2c, AllowV2c: true, Community: collectors.NewSecret(suiteCommunity), Timeout: time.Second, Retries: 1,
	}
	if fault == collectortest.Denied {
		access = v3()
		access.AuthKey = collectors.NewSecret("not the passphrase of the reader")
	}
	return collectortest.Fixture{
		Device: collectors.Device{Handle: "leaf1", Address: way.address, Source: topology.SourceSNMP, Access: access},
		Sent:   way.sent, Stalled: way.stalled,
	}
}

// relay carries datagrams between a client and an agent, and reads the requests on the way.
type relay struct {
	address string
	stalled chan struct{}

	mu       sync.Mutex
	requests []string
}

// startRelay begins a relay; a stalling one carries some requests and then none.
func startRelay(t *testing.T, agent string, stall bool) *relay {
	t.Helper()
	const carried = 20
	listener, err := (&net.ListenConfig{}).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{address: listener.LocalAddr().String(), stalled: make(chan struct{})}
	var tasks sync.WaitGroup
	agents := map[string]net.Conn{}
	tasks.Go(func() {
		buffer := make([]byte, 1<<16)
		for n := 0; ; {
			size, client, err := listener.ReadFrom(buffer)
			if err != nil {
				return
			}
			n++
			r.note(buffer[:size])
			if stall && n >= carried {
				if n == carried {
					close(r.stalled)
				}
				continue
			}
			conn := agents[client.String()]
			if conn == nil {
				if conn, err = (&net.Dialer{}).DialContext(t.Context(), "udp", agent); err != nil {
					return
				}
				agents[client.String()] = conn
				tasks.Go(func() { carry(conn, listener, client) })
			}
			_, _ = conn.Write(buffer[:size])
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		for _, c := range agents {
			_ = c.Close()
		}
		tasks.Wait()
	})
	return r
}

func carry(from net.Conn, to net.PacketConn, client net.Addr) {
	buffer := make([]byte, 1<<16)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		_, _ = to.WriteTo(buffer[:n], client)
	}
}

// note writes down what a request of SNMPv2c asks for.
func (r *relay) note(datagram []byte) {
	words := map[gosnmp.PDUType]string{
		gosnmp.GetRequest: "GET", gosnmp.GetNextRequest: "GETNEXT", gosnmp.GetBulkRequest: "GETBULK", gosnmp.SetRequest: "SET",
	}
	codec := &gosnmp.GoSNMP{Version: gosnmp.Version2c}
	packet, err := codec.SnmpDecodePacket(slices.Clone(datagram))
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil || packet.Version != gosnmp.Version2c {
		return
	}
	for _, v := range packet.Variables {
		r.requests = append(r.requests, words[packet.PDUType]+" "+v.Name)
	}
}

func (r *relay) sent() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.requests)
}
