package snmp

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gosnmp/gosnmp"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/internal/snmprec"
)

// brokenConn panics in place of reading.
type brokenConn struct{ net.Conn }

func (brokenConn) Read([]byte) (int, error) { panic("hostile datagram") }

func TestClient_survivesAPanicOfTheCodec(t *testing.T) {
	t.Parallel()
	access := collectors.SNMPAccess{Version: collectors.SNMPv2c, AllowV2c: true, Community: collectors.NewSecret("canary-7f3a")}
	h := newHub(1)
	if err := h.use(); err != nil {
		t.Fatal(err)
	}
	defer h.leave()
	c, err := dial(t.Context(), h, netip.MustParseAddrPort("127.0.0.1:9"), access, time.Second, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.close() }()
	c.wire.Conn = brokenConn{c.wire.Conn}
	_, err = c.exchange(t.Context(), ask{names: []snmprec.OID{sysUpTime()}}, time.Second, false)
	if !errors.Is(err, collectors.ErrMalformed) || !strings.Contains(err.Error(), "hostile datagram") {
		t.Errorf("%v", err)
	}
	if strings.Contains(err.Error(), "goroutine") || strings.Contains(err.Error(), "canary") {
		t.Errorf("the error shows the insides: %v", err)
	}
}

func TestBudget_learns(t *testing.T) {
	t.Parallel()
	b := newBudget(DefaultProfile())
	full := func() {
		for range 200 {
			var slots []*ticket
			for {
				slot, ok := b.try()
				if !ok {
					break
				}
				slots = append(slots, slot)
			}
			b.answered(b.repetitions(), b.repetitions(), 20*time.Millisecond, len(slots), false)
			for _, slot := range slots {
				b.release(slot)
			}
		}
	}
	slots := func() int { return int(b.limit) }
	if slots() != 2 || b.repetitions() != 10 {
		t.Errorf("begins with %d in flight and %d values", slots(), b.repetitions())
	}
	full()
	if slots() != 8 || b.repetitions() != 60 {
		t.Errorf("learned %d in flight and %d values", slots(), b.repetitions())
	}
	b.tooBig(60)
	if b.repetitions() != 30 {
		t.Errorf("%d values after tooBig", b.repetitions())
	}
	sent := time.Now()
	b.unanswered(sent, 0)
	b.unanswered(sent, 0) // of the same loss
	if slots() != 4 || b.repetitions() != 30 {
		t.Errorf("%d in flight and %d values after a loss", slots(), b.repetitions())
	}
	b.unanswered(time.Now(), 1)
	if slots() != 2 || b.repetitions() != 15 {
		t.Errorf("%d in flight and %d values after a second loss of one request", slots(), b.repetitions())
	}
	for range 100 {
		b.answered(15, 15, time.Second, 2, false) // fifty times as slow as before
	}
	if slots() > 2 {
		t.Errorf("%d in flight on a device that slows down", slots())
	}
}

func TestBudget_tooBigStays(t *testing.T) {
	t.Parallel()
	b := newBudget(FixedProfile(4, 60))
	b.tooBig(60)
	b.tooBig(60) // asked before the first was known
	for range 100 {
		b.answered(b.repetitions(), b.repetitions(), time.Millisecond, 1, false)
	}
	if b.repetitions() != 30 {
		t.Errorf("%d values", b.repetitions())
	}
}

func TestBudget_paces(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(Profile{RequestsPerSecond: 10, ValuesPerSecond: 1000}.withDefaults())
		begin := time.Now()
		for range 21 {
			if err := b.pace(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(begin); took != 2*time.Second {
			t.Errorf("21 requests at 10 a second took %v", took)
		}
		begin = time.Now()
		for range 5 {
			if err := b.pace(t.Context(), 500); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(begin); took != 2100*time.Millisecond {
			t.Errorf("5 requests for 500 values at 1000 a second, after one for 1, took %v", took)
		}
	})
}

// FuzzDatagram gives hostile datagrams to everything that looks at one before it is trusted.
func FuzzDatagram(f *testing.F) {
	codec := &gosnmp.GoSNMP{Version: gosnmp.Version2c, Community: "observer"}
	for _, vb := range []gosnmp.SnmpPDU{
		{Name: ".1.3.6.1.2.1.1.1.0", Type: gosnmp.OctetString, Value: "text"},
		{Name: ".1.3.6.1.2.1.1.2.0", Type: gosnmp.ObjectIdentifier, Value: ".1.3.6.1"},
		{Name: ".1.3.6.1.2.1.1.3.0", Type: gosnmp.TimeTicks, Value: uint32(1)},
		{Name: ".1.3.6.1.2.1.4.20.1.1.192.0.2.1", Type: gosnmp.IPAddress, Value: "192.0.2.1"},
		{Name: ".1.3.6.1.4.1.8072.1", Type: gosnmp.OpaqueDouble, Value: 1.5},
		{Name: ".1.3.6.1.2.1.31.1.1.1.6.1", Type: gosnmp.Counter64, Value: uint64(1)},
		{Name: ".1.3.6.1.2.1.99", Type: gosnmp.EndOfMibView},
	} {
		message, err := codec.SnmpEncodePacket(gosnmp.GetResponse, []gosnmp.SnmpPDU{vb}, 0, 0)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(message)
	}
	f.Fuzz(func(t *testing.T, datagram []byte) {
		seen := parseFrame(datagram)
		packet, err := decode(codec, datagram)
		if err != nil || packet.Version != gosnmp.Version2c {
			return
		}
		// What the codec takes for a message our frame must not see otherwise.
		if seen.version == version2c && seen.pdu == responsePDU && (packet.PDUType != gosnmp.GetResponse || packet.RequestID != seen.request) {
			t.Fatalf("the frame is %+v, the codec sees PDU %#x of request %d", seen, byte(packet.PDUType), packet.RequestID)
		}
		for _, v := range packet.Variables {
			vb, err := varbind(v)
			if err == nil && vb.Value.Kind() == snmprec.Absent {
				t.Fatalf("%v became no value", v)
			}
		}
	})
}

// decode is the codec's part of exchange, with its guard against panics.
func decode(codec *gosnmp.GoSNMP, datagram []byte) (packet *gosnmp.SnmpPacket, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = errors.New("panic")
		}
	}()
	return codec.SnmpDecodePacket(datagram)
}
