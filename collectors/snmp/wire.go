package snmp

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gosnmp/gosnmp"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/internal/snmprec"
)

// client is one line with one gosnmp object: it carries one request at a time. gosnmp encodes and decodes; what to send, and
// when again, is decided elsewhere.
type client struct {
	hub   *hub
	codec *gosnmp.GoSNMP
	wire  *wire
	next  uint32 // request-id
}

// engine is what SNMPv3 has to know of the agent's engine before it can speak to it (RFC 3414 section 4).
type engine struct {
	id          string
	boots, time uint32
	auth, priv  []byte // localized keys
}

// errNoAnswer says that nothing usable came in time.
var errNoAnswer = errors.New("no answer")

// dial opens a line; the caller uses the hub. known is nil until one client has met the agent's engine.
func dial(ctx context.Context, h *hub, peer netip.AddrPort, access collectors.SNMPAccess, timeout time.Duration, known *engine) (*client, error) {
	g := h.spare(access.Version)
	g.Target, g.Port, g.Context, g.Timeout = peer.Addr().String(), peer.Port(), ctx, timeout
	if access.Version == collectors.SNMPv2c {
		g.Community = access.Community.Reveal()
	} else {
		user := &gosnmp.UsmSecurityParameters{
			UserName:               access.User,
			AuthenticationProtocol: authProtocol(access.Auth), AuthenticationPassphrase: access.AuthKey.Reveal(),
			PrivacyProtocol: privProtocol(access.Priv), PrivacyPassphrase: access.PrivKey.Reveal(),
		}
		if known != nil {
			user.AuthoritativeEngineID, g.ContextEngineID = known.id, known.id
			user.AuthoritativeEngineBoots, user.AuthoritativeEngineTime = known.boots, known.time
			user.SecretKey, user.PrivacyKey = known.auth, known.priv
		}
		g.SecurityModel, g.MsgFlags, g.SecurityParameters = gosnmp.UserSecurityModel, gosnmp.AuthPriv, user
		g.ContextName = access.ContextName
	}
	if !g.built {
		if err := h.build(g.GoSNMP); err != nil {
			return nil, err
		}
	}
	// A request-id that cannot be guessed keeps responses of others out.
	var first [4]byte
	_, _ = rand.Read(first[:]) // never fails
	c := &client{hub: h, codec: g.GoSNMP, wire: &wire{Conn: h.open(peer), version: byte(g.Version)}, next: binary.BigEndian.Uint32(first[:])}
	g.Conn = c.wire
	return c, nil
}

// codec is a gosnmp object; a built one has prepared itself.
type codec struct {
	*gosnmp.GoSNMP
	built bool
}

// spare gives a codec. Those of SNMPv2c are used again for other devices, since each has a buffer of 64 KiB; those of SNMPv3 hold keys.
func (h *hub) spare(version collectors.SNMPVersion) codec {
	if version != collectors.SNMPv2c {
		return codec{GoSNMP: &gosnmp.GoSNMP{Version: gosnmp.Version3, Transport: "udp", MaxOids: math.MaxInt32}}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if n := len(h.spares); n > 0 {
		g := h.spares[n-1]
		h.spares = h.spares[:n-1]
		return codec{g, true}
	}
	return codec{GoSNMP: &gosnmp.GoSNMP{Version: gosnmp.Version2c, Transport: "udp", MaxOids: math.MaxInt32}}
}

// keep takes back a codec that is closed.
func (h *hub) keep(g *gosnmp.GoSNMP) {
	const most = 256
	g.Community, g.Context, g.Conn = "", nil, nil
	h.mu.Lock()
	defer h.mu.Unlock()
	if g.Version == gosnmp.Version2c && h.users > 0 && len(h.spares) < most {
		h.spares = append(h.spares, g)
	}
}

// build lets gosnmp prepare itself, which it does not without a socket of its own.
func (h *hub) build(g *gosnmp.GoSNMP) error {
	h.building.Lock()
	defer h.building.Unlock()
	timeout := g.Timeout
	defer func() { g.Timeout = timeout }()
	g.Timeout = time.Minute // nothing is sent: only a machine without sockets makes this wait
	if err := g.Connect(); err != nil {
		return err
	}
	return g.Conn.Close()
}

func authProtocol(a collectors.SNMPAuth) gosnmp.SnmpV3AuthProtocol {
	switch a {
	case collectors.SNMPAuthSHA224:
		return gosnmp.SHA224
	case collectors.SNMPAuthSHA256:
		return gosnmp.SHA256
	case collectors.SNMPAuthSHA384:
		return gosnmp.SHA384
	case collectors.SNMPAuthSHA512:
		return gosnmp.SHA512
	default:
		return gosnmp.NoAuth
	}
}

func privProtocol(p collectors.SNMPPriv) gosnmp.SnmpV3PrivProtocol {
	switch p {
	case collectors.SNMPPrivAES:
		return gosnmp.AES
	case collectors.SNMPPrivAES192:
		return gosnmp.AES192
	case collectors.SNMPPrivAES256:
		return gosnmp.AES256
	case collectors.SNMPPrivAES192C:
		return gosnmp.AES192C
	case collectors.SNMPPrivAES256C:
		return gosnmp.AES256C
	default:
		return gosnmp.NoPriv
	}
}

// engine returns what this client knows of the agent's engine; nil before it has met it.
func (c *client) engine() *engine {
	user, ok := c.codec.SecurityParameters.(*gosnmp.UsmSecurityParameters)
	if !ok || user.AuthoritativeEngineID == "" {
		return nil
	}
	return &engine{
		id: user.AuthoritativeEngineID, boots: user.AuthoritativeEngineBoots, time: user.AuthoritativeEngineTime,
		auth: user.SecretKey, priv: user.PrivacyKey,
	}
}

// ask is one request: a GETBULK, or a GET where repetitions is 0.
type ask struct {
	names       []snmprec.OID
	repetitions int
}

// values is how many values the request asks for.
func (a ask) values() int { return len(a.names) * max(1, a.repetitions) }

// reply is the response to a request.
type reply struct {
	varbinds []snmprec.Varbind
	status   gosnmp.SNMPError
	index    int // error-index, counted from 1; 0 is unknown
}

// exchange sends a request once and waits for its response until the timeout. again sends it with the id of the request
// before, so that a late response to that one counts. It returns errNoAnswer where nothing usable came,
// collectors.ErrDenied or collectors.ErrMalformed.
func (c *client) exchange(ctx context.Context, a ask, timeout time.Duration, again bool) (r reply, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: the codec panicked: %v", collectors.ErrMalformed, p)
		}
	}()
	if !again {
		const spare = 4 // the codec uses up to three ids where SNMPv3 has to meet the engine first
		c.next = max(1, (c.next+spare)&math.MaxInt32)
	}
	names := make([]string, len(a.names))
	for i, oid := range a.names {
		names[i] = "." + oid.String()
	}
	stop := c.wire.begin(ctx, c.next, again)
	defer stop()
	c.codec.Context, c.codec.Timeout = ctx, timeout
	c.codec.SetRequestID(c.next - 1)
	var packet *gosnmp.SnmpPacket
	if a.repetitions > 0 {
		packet, err = c.codec.GetBulk(names, 0, uint32(a.repetitions))
	} else {
		packet, err = c.codec.Get(names)
	}
	if err != nil {
		return reply{}, c.judge(ctx, err)
	}
	if packet.PDUType != gosnmp.GetResponse {
		return reply{}, fmt.Errorf("%w: a response with PDU type %#x", collectors.ErrMalformed, byte(packet.PDUType))
	}
	r = reply{status: packet.Error, index: int(packet.ErrorIndex), varbinds: make([]snmprec.Varbind, len(packet.Variables))}
	for i, v := range packet.Variables {
		if r.varbinds[i], err = varbind(v); err != nil {
			return reply{}, fmt.Errorf("%w: %w", collectors.ErrMalformed, err)
		}
	}
	return r, nil
}

// judge sorts gosnmp's errors. What SNMPv3 refuses comes as a Report, which cannot be authenticated; it counts all the same
// where it answers a message of ours, since it can do no more than end the conversation.
func (c *client) judge(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	switch c.wire.reported() {
	case reportSecurityLevel:
		return fmt.Errorf("%w: the device does not let the user in with authentication and privacy", collectors.ErrDenied)
	case reportUserName:
		return fmt.Errorf("%w: the device does not know the user", collectors.ErrDenied)
	case reportDigest:
		return fmt.Errorf("%w: the device refuses the authentication passphrase or protocol", collectors.ErrDenied)
	case reportDecryption:
		return fmt.Errorf("%w: the device refuses the privacy passphrase or protocol", collectors.ErrDenied)
	}
	if panicked, ok := strings.CutPrefix(err.Error(), "recover: "); ok {
		panicked, _, _ = strings.Cut(panicked, " Stack:")
		return fmt.Errorf("%w: the codec panicked: %s", collectors.ErrMalformed, panicked)
	}
	var timeout net.Error
	if errors.Is(err, gosnmp.ErrMaxRetriesExceeded) || (errors.As(err, &timeout) && timeout.Timeout()) {
		return errNoAnswer
	}
	return err
}

// close ends the line.
func (c *client) close() error {
	err := c.codec.Close()
	c.hub.keep(c.codec)
	return err
}

// wire is the line as gosnmp sees it. It lets pass only datagrams that are whole and look like the response that is
// awaited, so that strays, duplicates and damaged ones neither end the wait nor reach the codec; and it ends every wait
// when the context ends, which gosnmp by itself does not.
type wire struct {
	net.Conn
	version byte

	mu       sync.Mutex
	ended    bool     // the context has ended
	request  uint32   // request-id of the request under way
	messages []uint32 // msgIDs of its SNMPv3 messages
	report   byte     // the usmStats counter that a Report named, 0 for none
	sent     int      // datagrams, over all requests
	strays   int      // datagrams dropped in this exchange
}

// Counters of usmStats that a Report names (RFC 3414 section 5).
const (
	reportSecurityLevel = 1
	reportUserName      = 3
	reportDigest        = 5
	reportDecryption    = 6
)

// begin prepares for one exchange; the function it returns ends it. again says that it repeats the request before.
func (w *wire) begin(ctx context.Context, requestID uint32, again bool) (stop func()) {
	w.mu.Lock()
	w.ended, w.request, w.report, w.strays = false, requestID, 0, 0
	if !again {
		w.messages = w.messages[:0]
	}
	w.mu.Unlock()
	unregister := context.AfterFunc(ctx, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.ended = true
		_ = w.Conn.SetDeadline(time.Unix(1, 0))
	})
	return func() { unregister() }
}

// reported is the usmStats counter that a Report to a message of this exchange named; 0 when there was none.
func (w *wire) reported() byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.report
}

// datagrams is how many were sent so far.
func (w *wire) datagrams() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.sent
}

// dropped is how many datagrams of the last exchange were no response to it.
func (w *wire) dropped() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.strays
}

// SetDeadline is ignored once the context has ended: the wait must not begin anew.
func (w *wire) SetDeadline(t time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended {
		return nil
	}
	return w.Conn.SetDeadline(t)
}

func (w *wire) Write(b []byte) (int, error) {
	w.mu.Lock()
	w.sent++
	if f := parseFrame(b); f.version == version3 {
		w.messages = append(w.messages, f.message)
	}
	w.mu.Unlock()
	return w.Conn.Write(b)
}

func (w *wire) Read(b []byte) (int, error) {
	for {
		n, err := w.Conn.Read(b)
		if err != nil || w.awaited(b[:n]) {
			return n, err
		}
	}
}

// awaited decides whether a datagram may be the response to the request under way, and notes Reports. What SNMPv3 encrypts
// the codec has to judge.
func (w *wire) awaited(datagram []byte) bool {
	f := parseFrame(datagram)
	w.mu.Lock()
	defer w.mu.Unlock()
	ok := f.version == w.version
	if f.version == version3 {
		ok = ok && slices.Contains(w.messages, f.message) && (f.encrypted || f.pdu == responsePDU || f.pdu == reportPDU)
	} else {
		ok = ok && f.pdu == responsePDU && f.request == w.request
	}
	switch {
	case !ok:
		w.strays++
	case f.pdu == reportPDU:
		w.report = f.counter
	}
	return ok
}

const (
	version2c = 1
	version3  = 3

	integer     = 0x02
	sequence    = 0x30
	responsePDU = 0xa2
	reportPDU   = 0xa8
)

// frame is what can be seen of a message without keys.
type frame struct {
	version   byte   // 0: no whole SNMP message
	message   uint32 // msgID of SNMPv3
	encrypted bool
	pdu       byte   // tag; 0 when encrypted
	request   uint32 // request-id
	counter   byte   // of a Report: the usmStats counter it names
}

func parseFrame(datagram []byte) frame {
	tag, body, trailing := field(datagram)
	kind, version, body := field(body)
	if tag != sequence || len(trailing) > 0 || kind != integer || len(version) != 1 {
		return frame{}
	}
	f := frame{version: version[0]}
	switch f.version {
	case version2c:
		_, _, body = field(body) // the community
	case version3:
		const privacy = 0x02 // RFC 3412 section 6.4
		var header, id, flags []byte
		_, header, body = field(body)
		_, id, header = field(header)
		_, _, header = field(header) // msgMaxSize
		_, flags, _ = field(header)
		f.message = number(id)
		f.encrypted = len(flags) == 1 && flags[0]&privacy != 0
		_, _, body = field(body) // msgSecurityParameters
		if f.encrypted {
			return f
		}
		_, body, _ = field(body) // ScopedPDU
		_, _, body = field(body) // contextEngineID
		_, _, body = field(body) // contextName
	default:
		return frame{}
	}
	tag, pdu, _ := field(body)
	f.pdu = tag
	kind, id, pdu := field(pdu)
	if kind != integer {
		return frame{}
	}
	f.request = number(id)
	if f.pdu == reportPDU {
		f.counter = usmCounter(pdu)
	}
	return f
}

// usmCounter finds the counter in what follows the request-id of a Report: its one varbind is usmStats.COUNTER.0.
func usmCounter(pdu []byte) byte {
	const usmStats = "\x2b\x06\x01\x06\x03\x0f\x01\x01" // 1.3.6.1.6.3.15.1.1
	_, _, pdu = field(pdu)                              // error-status
	_, _, pdu = field(pdu)                              // error-index
	_, list, _ := field(pdu)
	_, varbind, _ := field(list)
	_, oid, _ := field(varbind)
	if len(oid) != len(usmStats)+2 || string(oid[:len(usmStats)]) != usmStats {
		return 0
	}
	return oid[len(usmStats)]
}

// number reads the low 32 bits of an INTEGER in two's complement.
func number(content []byte) uint32 {
	var n uint32
	if len(content) > 0 && content[0]&0x80 != 0 {
		n = math.MaxUint32
	}
	for _, b := range content {
		n = n<<8 | uint32(b)
	}
	return n
}

// field splits the first BER field off data; tag 0 means that data does not hold it whole.
func field(data []byte) (tag byte, content, rest []byte) {
	const longForm, mostBytes = 0x80, 4
	if len(data) < 2 {
		return 0, nil, nil
	}
	length, header := uint64(data[1]), 2
	if length >= longForm {
		n := int(length - longForm)
		if n == 0 || n > mostBytes || len(data) < header+n {
			return 0, nil, nil
		}
		length = 0
		for _, b := range data[header : header+n] {
			length = length<<8 | uint64(b)
		}
		header += n
	}
	if uint64(len(data)-header) < length {
		return 0, nil, nil
	}
	end := header + int(length)
	return data[0], data[header:end], data[end:]
}

// varbind turns gosnmp's value into ours.
func varbind(v gosnmp.SnmpPDU) (snmprec.Varbind, error) {
	oid, err := snmprec.ParseOID(v.Name)
	if err != nil {
		return snmprec.Varbind{}, err
	}
	value, err := value(v)
	return snmprec.Varbind{OID: oid, Value: value}, err
}

// value keeps the type of the wire. A type that SNMP does not know, or a value that its type cannot hold, is NULL: the device
// said something, but nothing that could be meant.
func value(v gosnmp.SnmpPDU) (snmprec.Value, error) {
	switch x := v.Value.(type) {
	case nil:
		return absentValue(v.Type), nil
	case int:
		return snmprec.IntegerValue(int64(x)), nil
	case uint32:
		if v.Type == gosnmp.TimeTicks {
			return snmprec.TimeTicksValue(x), nil
		}
		return snmprec.Gauge32Value(x), nil
	case uint:
		if x > math.MaxUint32 {
			return snmprec.NullValue(), nil
		}
		if v.Type == gosnmp.Counter32 {
			return snmprec.Counter32Value(uint32(x)), nil
		}
		return snmprec.Gauge32Value(uint32(x)), nil
	case uint64:
		return snmprec.Counter64Value(x), nil
	case float32:
		return snmprec.FloatValue(x), nil
	case float64:
		return snmprec.DoubleValue(x), nil
	case []byte:
		if v.Type == gosnmp.Opaque {
			return snmprec.OpaqueValue(string(x)), nil
		}
		return snmprec.BytesValue(x), nil
	case string:
		return textValue(v.Type, x)
	default:
		return snmprec.Value{}, fmt.Errorf("the codec gives a %T for %s", v.Value, v.Type)
	}
}

func absentValue(kind gosnmp.Asn1BER) snmprec.Value {
	switch kind {
	case gosnmp.NoSuchObject:
		return snmprec.ExceptionValue(snmprec.NoSuchObject)
	case gosnmp.NoSuchInstance:
		return snmprec.ExceptionValue(snmprec.NoSuchInstance)
	case gosnmp.EndOfMibView:
		return snmprec.ExceptionValue(snmprec.EndOfMIBView)
	default:
		return snmprec.NullValue()
	}
}

func textValue(kind gosnmp.Asn1BER, text string) (snmprec.Value, error) {
	switch kind {
	case gosnmp.ObjectIdentifier:
		oid, err := snmprec.ParseOID(text)
		return snmprec.OIDValue(oid), err
	case gosnmp.IPAddress:
		addr, err := netip.ParseAddr(text)
		return snmprec.AddrValue(addr), err
	default:
		return snmprec.StringValue(text), nil
	}
}
