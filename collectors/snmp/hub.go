package snmp

import (
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/gosnmp/gosnmp"
)

// hub carries the datagrams of many devices over a few sockets. Each client has a [line] to its device; what comes in goes to the line whose
// device sent it and whose request it answers, as far as that can be seen without keys.
type hub struct {
	size int // sockets

	building sync.Mutex // held while the codec opens a socket of its own, which is closed at once: one more than size, never two

	mu      sync.Mutex
	users   int
	sockets []*net.UDPConn
	readers *sync.WaitGroup
	turn    int
	lines   map[netip.AddrPort][]*line
	spares  []*gosnmp.GoSNMP
}

func newHub(size int) *hub { return &hub{size: size, lines: map[netip.AddrPort][]*line{}} }

// use opens the sockets for the first user. Each success is undone by leave.
func (h *hub) use() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.users > 0 {
		h.users++
		return nil
	}
	const receiveBuffer = 4 << 20 // for bursts of answers of many devices; the kernel may give less
	var readers sync.WaitGroup
	for range h.size {
		s, err := net.ListenUDP("udp", nil)
		if err != nil {
			h.close()
			return err
		}
		_ = s.SetReadBuffer(receiveBuffer)
		h.sockets = append(h.sockets, s)
		readers.Go(func() { h.read(s) })
	}
	h.users, h.readers = 1, &readers
	return nil
}

// leave closes the sockets after the last user.
func (h *hub) leave() {
	h.mu.Lock()
	h.users--
	if h.users > 0 {
		h.mu.Unlock()
		return
	}
	readers := h.readers
	h.close()
	h.mu.Unlock()
	readers.Wait()
}

// close closes the sockets and lets go of the spare codecs; mu is held.
func (h *hub) close() {
	for _, s := range h.sockets {
		_ = s.Close() // nothing is buffered that could be lost
	}
	h.sockets, h.spares = nil, nil
}

// read hands out what comes in on a socket until it is closed.
func (h *hub) read(s *net.UDPConn) {
	buffer := make([]byte, 1<<16)
	for {
		n, from, err := s.ReadFromUDPAddrPort(buffer)
		if err != nil {
			return
		}
		if l := h.addressee(netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), buffer[:n]); l != nil {
			select {
			case l.inbox <- append([]byte{}, buffer[:n]...):
			default: // nobody listens; as in a socket's full buffer
			}
		}
	}
}

// addressee finds the line that a datagram is for; one that answers nothing goes to any line of its device, where it is counted.
func (h *hub) addressee(from netip.AddrPort, datagram []byte) *line {
	h.mu.Lock()
	defer h.mu.Unlock()
	lines := h.lines[from]
	switch len(lines) {
	case 0:
		return nil
	case 1:
		return lines[0]
	}
	id := parseFrame(datagram).id()
	for _, l := range lines {
		if slices.Contains(l.asked[:], id) {
			return l
		}
	}
	return lines[0]
}

// id is what a response repeats of its request: the request-id, or the msgID of SNMPv3.
func (f frame) id() uint32 {
	if f.version == version3 {
		return f.message
	}
	return f.request
}

// line is the way to one device, for one request at a time.
type line struct {
	hub    *hub
	socket *net.UDPConn
	peer   netip.AddrPort
	inbox  chan []byte

	asked [8]uint32 // the latest ids, by turns; the hub's mu guards them
	asks  int

	mu       sync.Mutex
	deadline time.Time
	moved    chan struct{} // closed when the deadline moves or the line is closed
	closed   bool
}

var _ net.Conn = (*line)(nil)

// open makes a line to a device. The caller uses the hub.
func (h *hub) open(peer netip.AddrPort) *line {
	const waiting = 16 // datagrams
	h.mu.Lock()
	defer h.mu.Unlock()
	h.turn++
	l := &line{hub: h, socket: h.sockets[h.turn%len(h.sockets)], peer: peer, inbox: make(chan []byte, waiting), moved: make(chan struct{})}
	h.lines[peer] = append(h.lines[peer], l)
	return l
}

// Write sends a request.
func (l *line) Write(b []byte) (int, error) {
	id := parseFrame(b).id()
	l.hub.mu.Lock()
	l.asked[l.asks%len(l.asked)] = id
	l.asks++
	l.hub.mu.Unlock()
	return l.socket.WriteToUDPAddrPort(b, l.peer)
}

// Read waits for a datagram until the deadline. One that is there comes before the end of the wait.
func (l *line) Read(b []byte) (int, error) {
	for {
		l.mu.Lock()
		deadline, moved, closed := l.deadline, l.moved, l.closed
		l.mu.Unlock()
		if closed {
			return 0, net.ErrClosed
		}
		select {
		case datagram := <-l.inbox:
			return copy(b, datagram), nil
		default:
		}
		if !deadline.IsZero() && !time.Now().Before(deadline) {
			return 0, os.ErrDeadlineExceeded
		}
		if datagram := l.wait(deadline, moved); datagram != nil {
			return copy(b, datagram), nil
		}
	}
}

// wait gives the next datagram; nil when the deadline is over or has moved.
func (l *line) wait(deadline time.Time, moved <-chan struct{}) []byte {
	var late <-chan time.Time
	if !deadline.IsZero() {
		timer := time.NewTimer(time.Until(deadline))
		defer timer.Stop()
		late = timer.C
	}
	select {
	case datagram := <-l.inbox:
		return datagram
	case <-moved:
	case <-late:
	}
	return nil
}

// SetDeadline ends every wait at a time.
func (l *line) SetDeadline(t time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.deadline = t
	l.move()
	return nil
}

// move wakes who waits; mu is held.
func (l *line) move() {
	close(l.moved)
	l.moved = make(chan struct{})
}

// SetReadDeadline is SetDeadline: nothing else waits.
func (l *line) SetReadDeadline(t time.Time) error { return l.SetDeadline(t) }

// SetWriteDeadline does nothing: a datagram is sent at once or not at all.
func (*line) SetWriteDeadline(time.Time) error { return nil }

// Close ends the line; the socket stays for the others.
func (l *line) Close() error {
	l.hub.mu.Lock()
	rest := slices.DeleteFunc(l.hub.lines[l.peer], func(o *line) bool { return o == l })
	if len(rest) == 0 {
		delete(l.hub.lines, l.peer)
	} else {
		l.hub.lines[l.peer] = rest
	}
	l.hub.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.closed = true
		l.move()
	}
	return nil
}

// LocalAddr is the address of the socket that the line shares.
func (l *line) LocalAddr() net.Addr { return l.socket.LocalAddr() }

// RemoteAddr is the device's.
func (l *line) RemoteAddr() net.Addr { return net.UDPAddrFromAddrPort(l.peer) }
