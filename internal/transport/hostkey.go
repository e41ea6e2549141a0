package transport

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// Trust says which host keys a server may show.
type Trust struct {
	Pins      []string    // fingerprints, "SHA256:…" as ssh-keygen -l prints them; where there are any, no other key is right
	Known     *KnownHosts // nil: none; beside Pins, only what it revokes counts
	AcceptNew bool        // take down the key of a host of which nothing is known, not even a pin, and go on
}

// HostKeyError says that a host did not prove to be the known one. Nothing was sent to it.
type HostKeyError struct {
	Address     string
	Algorithm   string   // of the key that it shows
	Fingerprint string   // of the key that it shows, "SHA256:…"
	Known       []string // fingerprints of the keys that it may show; none: it is met for the first time
	Changed     bool     // something is known of the host, and it is not this key
	Revoked     bool     // this key is marked as revoked
	Reason      string   // why a certificate is not good
}

// Error gives the fingerprint, and what is known.
func (e *HostKeyError) Error() string {
	shown := e.Algorithm + " " + e.Fingerprint
	switch {
	case e.Revoked:
		return fmt.Sprintf("%s shows the host key %s, which is revoked; nothing was sent to it", e.Address, shown)
	case e.Reason != "":
		return fmt.Sprintf("%s shows a host certificate that is not good (%s): %s; nothing was sent to it", e.Address, shown, e.Reason)
	case e.Changed:
		return fmt.Sprintf("the host key of %s has CHANGED: it shows %s, known is %s; somebody may be in between, or the host was installed anew; nothing was sent to it",
			e.Address, shown, strings.Join(e.Known, ", "))
	}
	return fmt.Sprintf("%s shows a host key for the first time: %s; nothing was sent to it", e.Address, shown)
}

// check decides about the key that a server shows.
func (t Trust) check(address string, remote net.Addr, key ssh.PublicKey) error {
	known, err := t.look(address, remote, key)
	if known || err == nil {
		return err
	}
	var strange *HostKeyError
	if t.AcceptNew && t.Known != nil && len(t.Pins) == 0 && errors.As(err, &strange) && !strange.Changed && !strange.Revoked && strange.Reason == "" {
		return t.Known.add(address, key)
	}
	return err
}

// recheck is check for a server that was found right before: nothing is taken down any more.
func (t Trust) recheck(address string, remote net.Addr, key ssh.PublicKey) error {
	_, err := t.look(address, remote, key)
	return err
}

// look tells whether the key is known, else why it is not taken.
func (t Trust) look(address string, remote net.Addr, key ssh.PublicKey) (known bool, err error) {
	plain := key
	if c, ok := key.(*ssh.Certificate); ok {
		plain = c.Key
	}
	strange := &HostKeyError{Address: address, Algorithm: plain.Type(), Fingerprint: ssh.FingerprintSHA256(plain), Known: slices.Clone(t.Pins)}
	if t.Known != nil {
		book, err := t.Known.read()
		if err != nil {
			return false, err
		}
		err = book.check(address, remote, key)
		var revoked *knownhosts.RevokedError
		var other *knownhosts.KeyError
		switch {
		case errors.As(err, &revoked):
			strange.Revoked = true
			return false, strange
		case len(t.Pins) > 0: // whoever pins a key says that it is this one and no other
		case err == nil:
			return true, nil
		case errors.As(err, &other):
			for _, k := range other.Want {
				strange.Known = append(strange.Known, ssh.FingerprintSHA256(k.Key))
			}
		default:
			strange.Reason = err.Error()
			return false, strange
		}
	}
	if slices.Contains(t.Pins, strange.Fingerprint) {
		return true, nil
	}
	strange.Changed = len(strange.Known) > 0
	return false, strange
}

// mayShowAnother reports that the server may have, besides the key that it showed, one that is right: a fingerprint does not tell the algorithm of its key.
func (t Trust) mayShowAnother(shown *HostKeyError) bool {
	return len(t.Pins) > 0 && !shown.Revoked && shown.Reason == ""
}

// algorithms gives those to offer to a server at first, and those that are left: a key of a known kind is asked for before others.
func (t Trust) algorithms(address string) (first, rest []string, err error) {
	var kinds []string
	authority := false
	if t.Known != nil && len(t.Pins) == 0 {
		book, err := t.Known.read()
		if err != nil {
			return nil, nil, err
		}
		kinds, authority = book.kinds(address)
	}
	plain := []string{
		ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256,
	}
	var known []string
	for _, kind := range kinds {
		known = append(known, algorithmsOf(kind)...)
	}
	if authority { // certificates are looked at only where an authority is known
		for _, a := range ssh.SupportedAlgorithms().HostKeys {
			if strings.Contains(a, "-cert-") {
				first = append(first, a)
			}
		}
	}
	for _, a := range plain {
		if slices.Contains(known, a) {
			first = append(first, a)
		} else {
			rest = append(rest, a)
		}
	}
	if len(first) == 0 {
		return rest, nil, nil
	}
	return first, rest, nil
}

// algorithmsOf gives the signature algorithms of a kind of key (RFC 8332 section 3: keys of RSA have several; SHA-1 is not spoken).
func algorithmsOf(kind string) []string {
	if kind == ssh.KeyAlgoRSA {
		return []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}
	}
	return []string{kind}
}

// KnownHosts is a file of host keys in OpenSSH's form (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT): hashed names, ports, @cert-authority and @revoked are
// respected. A file that is not there is empty; one that cannot be understood is an error for every host. It is safe for concurrent use, also by
// several processes.
type KnownHosts struct {
	file string

	mu    sync.Mutex
	stamp stamp
	book  *book
}

// NewKnownHosts names the file. It is read when it is needed, and again when it has changed.
func NewKnownHosts(file string) *KnownHosts { return &KnownHosts{file: file} }

const knownHosts = "known hosts"

// stamp tells one content of a file from the next.
type stamp struct {
	size  int64
	time  time.Time
	inode uint64
}

func stampOf(file string) (stamp, error) {
	info, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) {
		return stamp{}, nil
	}
	if err != nil {
		return stamp{}, err
	}
	s := stamp{size: info.Size(), time: info.ModTime()}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		s.inode = st.Ino
	}
	return s, nil
}

func (k *KnownHosts) read() (*book, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now, err := stampOf(k.file)
	if err != nil {
		return nil, &LocalError{What: knownHosts, Err: err}
	}
	if k.book != nil && now == k.stamp {
		return k.book, nil
	}
	b, err := readBook(k.file, now)
	if err != nil {
		return nil, &LocalError{What: knownHosts, Err: errors.New(strings.TrimPrefix(err.Error(), "knownhosts: "))}
	}
	k.book, k.stamp = b, now
	return b, nil
}

// add takes down the key of a host of which nothing is known: the file is replaced as a whole, while its folder is locked.
func (k *KnownHosts) add(address string, key ssh.PublicKey) (err error) {
	defer func() {
		if err != nil {
			err = &LocalError{What: knownHosts, Err: fmt.Errorf("keep the key of %s: %w", address, err)}
		}
	}()
	file := k.file
	if target, err := filepath.EvalSymlinks(file); err == nil {
		file = target // not to replace a link by a file
	}
	folder, err := os.Open(filepath.Dir(file))
	if err != nil {
		return err
	}
	defer folder.Close() //nolint:errcheck // ends the lock; nothing was written
	if err := syscall.Flock(int(folder.Fd()), syscall.LOCK_EX); err != nil {
		return err
	}
	// Another one may have been faster. Its word counts.
	b, err := k.read()
	if err != nil {
		return err
	}
	var other *knownhosts.KeyError
	switch err := b.check(address, nil, key); {
	case err == nil:
		return nil
	case !errors.As(err, &other) || len(other.Want) > 0:
		return errors.New("another key of it was taken down at the same time")
	}
	return replace(file, folder, func(old []byte) []byte {
		if len(old) > 0 && old[len(old)-1] != '\n' {
			old = append(old, '\n')
		}
		return append(old, knownhosts.Line([]string{address}, key)+"\n"...)
	})
}

// replace writes a file anew, readable for its owner only, and not before all of it is on the disk.
func replace(file string, folder *os.File, change func(old []byte) []byte) error {
	old, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	next, err := os.CreateTemp(folder.Name(), ".known_hosts-*") // has mode 0600
	if err != nil {
		return err
	}
	_, err = next.Write(change(old))
	err = cmp.Or(err, next.Sync())
	err = cmp.Or(err, next.Close())
	if err == nil {
		err = os.Rename(next.Name(), file)
	}
	if err != nil {
		return errors.Join(err, os.Remove(next.Name()))
	}
	return folder.Sync()
}

// book is the content of a file of host keys.
type book struct {
	callback    ssh.HostKeyCallback
	authorities map[int]bool // lines that name an authority, from 1
}

func readBook(file string, s stamp) (*book, error) {
	b := &book{authorities: map[int]bool{}}
	var err error
	if s == (stamp{}) {
		b.callback, err = knownhosts.New()
		return b, err
	}
	if b.callback, err = knownhosts.New(file); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	n := 0
	for line := range bytes.Lines(text) {
		n++
		if bytes.HasPrefix(bytes.TrimSpace(line), []byte("@cert-authority")) {
			b.authorities[n] = true
		}
	}
	return b, nil
}

// nowhere is an address for a library that insists on one, although the name of the host is what counts.
type nowhere struct{}

func (nowhere) Network() string { return "tcp" }
func (nowhere) String() string  { return "0.0.0.0:0" }

func (b *book) check(address string, _ net.Addr, key ssh.PublicKey) error {
	return b.callback(address, nowhere{}, key)
}

// kinds gives the kinds of the keys that are known of a host, and whether an authority is.
func (b *book) kinds(address string) (kinds []string, authority bool) {
	var other *knownhosts.KeyError
	if err := b.check(address, nil, noKey{}); !errors.As(err, &other) {
		return nil, false
	}
	for _, k := range other.Want {
		if b.authorities[k.Line] {
			authority = true
		} else {
			kinds = append(kinds, k.Key.Type())
		}
	}
	return kinds, authority
}

// noKey is equal to no key: asked for it, the library lists those that it knows.
type noKey struct{}

func (noKey) Type() string                        { return "none" }
func (noKey) Marshal() []byte                     { return nil }
func (noKey) Verify([]byte, *ssh.Signature) error { return errors.New("no key") }
