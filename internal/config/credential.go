package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"unicode"
	"unicode/utf8"

	"filippo.io/age"
	"filippo.io/age/armor"

	"github.com/throughline-dc/throughline/collectors"
)

const (
	maxSecret = 4 << 10  // octets of a password or community, and more than enough
	maxKey    = 16 << 10 // octets of a private key: RSA with 16384 bits takes 13
)

// vault holds the credentials of an inventory by their names. All are read and opened, whether or not a device uses them.
type vault struct {
	folder  string // that relative names of files start from
	keys    []age.Identity
	secrets map[string]collectors.Secret
	bad     map[string]bool // declared, but not to be had; that is a finding already
}

func readVault(top *object, folder string) *vault {
	v := &vault{folder: folder, secrets: map[string]collectors.Secret{}, bad: map[string]bool{}}
	identity := top.text("identity")
	if identity != "" {
		v.readIdentity(top, identity)
	}
	names := top.object("credentials", "credentials")
	if names == nil {
		return v
	}
	for name := range names.places {
		secret := v.read(names.object(name, fmt.Sprintf("credential %q", name), "file", "age_file", "age"), identity != "")
		if secret.IsZero() {
			v.bad[name] = true
		} else {
			v.secrets[name] = secret
		}
	}
	return v
}

func (v *vault) readIdentity(top *object, name string) {
	at := top.valueAt("identity")
	text, err := v.privateFile(name)
	if err != nil {
		top.add(at, hintFor(err), "identity %s: %s", name, err)
		return
	}
	keys, err := age.ParseIdentities(bytes.NewReader(text))
	if err != nil { // whose text may hold a piece of the key
		top.add(at, "age-keygen makes one", "identity %s: is not an age identity file", name)
		return
	}
	v.keys = keys
}

// read gets one secret; what is wrong is a finding, and the secret is then none.
func (v *vault) read(o *object, haveIdentity bool) collectors.Secret {
	if o == nil {
		return collectors.Secret{}
	}
	if len(o.places) != 1 {
		o.add(o.at, "", "a credential is one of file, age_file and age")
		return collectors.Secret{}
	}
	var text []byte
	var err error
	key := slices.Collect(maps.Keys(o.places))[0]
	given := o.text(key)
	if given == "" {
		return collectors.Secret{}
	}
	if key != "file" && len(v.keys) == 0 {
		if !haveIdentity {
			o.add(o.of(key), "identity: FILE at the top names the age identity", "an encrypted credential needs an identity")
		}
		return collectors.Secret{}
	}
	switch key {
	case "file":
		text, err = v.privateFile(given)
	case "age_file":
		text, err = v.openFile(given)
	case "age":
		text, err = v.open([]byte(given))
	}
	if err == nil && !isPrivateKey(text) {
		text, err = oneLine(text)
	}
	if err == nil && len(text) > maxKey {
		err = fmt.Errorf("holds more than %d octets", maxKey)
	}
	if err != nil {
		what := "file " + given + ": "
		if key == "age" {
			what = ""
		}
		o.add(o.valueAt(key), hintFor(err), "%s%s", what, err)
		return collectors.Secret{}
	}
	return collectors.NewSecret(string(text))
}

// isPrivateKey reports that a secret is a private key in OpenSSH's or PEM form (RFC 7468): the only one with more than one line.
func isPrivateKey(text []byte) bool {
	first, _, _ := bytes.Cut(bytes.TrimSpace(text), []byte("\n"))
	first = bytes.TrimSpace(first)
	return bytes.HasPrefix(first, []byte("-----BEGIN ")) && bytes.HasSuffix(first, []byte("PRIVATE KEY-----"))
}

// use gives the password, passphrase or community that a key names.
func (v *vault) use(o *object, key string) collectors.Secret {
	secret := v.named(o, key)
	if isPrivateKey([]byte(secret.Reveal())) {
		o.add(o.valueAt(key), "private keys stand under key", "what %q names is a private key, no password", key)
		return collectors.Secret{}
	}
	return secret
}

// useKey gives the private key that a key names.
func (v *vault) useKey(o *object, key string) collectors.Secret {
	secret := v.named(o, key)
	if !secret.IsZero() && !isPrivateKey([]byte(secret.Reveal())) {
		o.add(o.valueAt(key), "passwords stand under credential", "what %q names is no private key in OpenSSH's or PEM form", key)
		return collectors.Secret{}
	}
	return secret
}

// named gives the secret that a key names.
func (v *vault) named(o *object, key string) collectors.Secret {
	name := o.text(key)
	secret, ok := v.secrets[name]
	if name != "" && !ok && !v.bad[name] {
		hint := "credentials: declares them"
		if len(v.secrets) > 0 {
			hint = "declared are " + strings.Join(slices.Sorted(maps.Keys(v.secrets)), ", ")
		}
		// The name is not repeated: somebody may have written the password itself.
		o.add(o.valueAt(key), hint, "no credential has the name that %q gives", key)
	}
	return secret
}

// fileError says why a file that holds a secret is not taken; its hint says what to do.
type fileError struct{ cause, hint string }

func (e *fileError) Error() string { return e.cause }

func hintFor(err error) string {
	var e *fileError
	if errors.As(err, &e) {
		return e.hint
	}
	return ""
}

// privateFile reads a file that nobody else may read or write.
func (v *vault) privateFile(name string) ([]byte, error) {
	return v.readFile(name, func(info fs.FileInfo) error {
		if mode := info.Mode().Perm(); mode&0o077 != 0 {
			return &fileError{fmt.Sprintf("has mode %04o, others may get at it", mode), "chmod 600 " + name}
		}
		stat, ok := info.Sys().(*syscall.Stat_t)
		if !ok {
			return errors.New("this system does not tell its owner")
		}
		if uid := os.Geteuid(); int(stat.Uid) != uid && stat.Uid != 0 {
			return &fileError{fmt.Sprintf("belongs to user %d, this is user %d", stat.Uid, uid), fmt.Sprintf("chown %d %s", uid, name)}
		}
		return nil
	})
}

// openFile reads and decrypts a file, which anybody may have.
func (v *vault) openFile(name string) ([]byte, error) {
	sealed, err := v.readFile(name, func(fs.FileInfo) error { return nil })
	if err != nil {
		return nil, err
	}
	return v.open(sealed)
}

// open decrypts what age has encrypted, armored or not.
func (v *vault) open(sealed []byte) ([]byte, error) {
	var r io.Reader = bytes.NewReader(sealed)
	if text := bytes.TrimSpace(sealed); bytes.HasPrefix(text, []byte(armor.Header)) {
		r = armor.NewReader(bytes.NewReader(append(text, '\n')))
	}
	plain, err := age.Decrypt(r, v.keys...)
	var none *age.NoIdentityMatchError
	if errors.As(err, &none) {
		return nil, &fileError{"is encrypted for somebody else", "age -e -r RECIPIENT, with the recipient of the identity"}
	}
	if err != nil {
		return nil, errors.New("is not encrypted by age, or damaged")
	}
	text, err := io.ReadAll(io.LimitReader(plain, maxKey+1))
	if err != nil {
		return nil, errors.New("is damaged")
	}
	return text, nil
}

func (v *vault) readFile(name string, check func(fs.FileInfo) error) ([]byte, error) {
	if !filepath.IsAbs(name) {
		name = filepath.Join(v.folder, name)
	}
	// Not to block: a name may be that of a pipe.
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		var pathErr *fs.PathError
		if errors.As(err, &pathErr) {
			err = pathErr.Err
		}
		return nil, errors.New(err.Error())
	}
	defer f.Close() //nolint:errcheck // nothing was written
	info, err := f.Stat()
	if err != nil {
		return nil, errors.New("cannot be examined")
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("is not a regular file")
	}
	if err := check(info); err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(f, 16*maxSecret+1))
	if err != nil {
		return nil, errors.New("cannot be read")
	}
	if len(text) > 16*maxSecret {
		return nil, fmt.Errorf("is longer than %d octets", 16*maxSecret)
	}
	return text, nil
}

// oneLine takes the end of line off that editors leave, and refuses what is no password.
func oneLine(text []byte) ([]byte, error) {
	text = bytes.TrimSuffix(bytes.TrimSuffix(text, []byte("\n")), []byte("\r"))
	switch {
	case len(text) == 0:
		return nil, errors.New("is empty")
	case len(text) > maxSecret:
		return nil, fmt.Errorf("holds more than %d octets", maxSecret)
	case bytes.ContainsRune(text, '\n'):
		return nil, errors.New("holds more than one line")
	case !utf8.Valid(text) || bytes.IndexFunc(text, unicode.IsControl) >= 0:
		return nil, errors.New("holds control characters or no UTF-8")
	}
	return text, nil
}

// orElse takes the first secret that is one.
func orElse(secrets ...collectors.Secret) collectors.Secret {
	for _, s := range secrets {
		if !s.IsZero() {
			return s
		}
	}
	return collectors.Secret{}
}
