package topology

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// Key names a node: its kind and an identifier that is unique in that kind. Keys are natural where the world gives a
// natural one (VM UUID, WWPN, IQN, designator), else they are built of the device's key and a name inside it.
//
// An ID that begins with "@" is local: "@leaf1" is the device that the inventory calls leaf1 and "@leaf1/Ethernet1" a part of
// it. Collectors speak in local keys, since they cannot know what others call the same box; reconcile replaces the
// handle by the device's identity, so that no local key is ever in a snapshot.
type Key struct {
	Kind Kind
	ID   string
}

// DeviceKey is the local key of an inventoried device. The kind is the collector's belief; reconcile may know better.
func DeviceKey(kind Kind, handle string) Key { return Key{kind, "@" + EscapeID(handle)} }

// PartKey names a part of an owner: the owner's ID and the part's own name, "OWNER/ifName". All but the last segment are escaped, so that
// the last may hold slashes (Ethernet1/1). No two parts of one kind that are named by the same number of segments have one key. If
// the owner is a part itself, its name becomes an inner segment: "leaf1/Ethernet1%2F1/lldp/…" is heard at leaf1/Ethernet1/1.
func PartKey(kind Kind, owner Key, parts ...string) Key {
	id := owner.ID
	if device, name, nested := strings.Cut(id, "/"); nested {
		id = device + "/" + EscapeID(name)
	}
	segments := append([]string{id}, parts...)
	for i := 1; i < len(segments); i++ {
		if i < len(segments)-1 {
			segments[i] = EscapeID(segments[i])
		}
		segments[i] = Text([]byte(segments[i]))
	}
	return Key{kind, strings.Join(segments, "/")}
}

// TargetUnitKey names a logical unit of an iSCSI target as one initiator knows it that nobody has asked for its designator: by the number that it has there. A
// target may give each initiator units of its own under one number (SPC-4 REPORT LUNS: the inventory is that of an I_T nexus), so the name begins with
// whose initiator it is, a host or the VM that opens the disk by itself, and is nobody else's.
func TargetUnitKey(initiator Key, target IQN, lun LUN) Key {
	return PartKey(LogicalUnit, initiator, string(target)+"/"+strconv.FormatUint(uint64(lun), 10))
}

// TargetUnit is the inverse of TargetUnitKey, but for the initiator: which target and which number a key names.
func (k Key) TargetUnit() (target IQN, lun LUN, ok bool) {
	_, name, owned := strings.Cut(k.ID, "/")
	i := strings.LastIndexByte(name, '/')
	if k.Kind != LogicalUnit || !owned || i < 0 {
		return "", 0, false
	}
	target, err := ParseIQN(name[:i])
	number, err2 := strconv.ParseUint(name[i+1:], 10, 64)
	return target, LUN(number), err == nil && err2 == nil
}

// numbered reports whether the key is that of a logical unit known by its number at a target, with or without the word whose.
func (k Key) numbered() bool {
	i := strings.LastIndexByte(k.ID, '/')
	if k.Kind != LogicalUnit || i < 0 {
		return false
	}
	name := k.ID[:i]
	_, err := ParseIQN(name[strings.LastIndexByte(name, '/')+1:])
	return err == nil
}

// Local gives the inventory handle of a local key and the rest after it, which is empty for the device itself.
func (k Key) Local() (handle, rest string, ok bool) {
	id, ok := strings.CutPrefix(k.ID, "@")
	if !ok {
		return "", "", false
	}
	handle, rest, _ = strings.Cut(id, "/")
	return unescapeID(handle), rest, true
}

// IsZero reports whether the key names nothing.
func (k Key) IsZero() bool { return k == Key{} }

// valid reports whether the key can be kept: of a known kind, with an ID that every encoding carries.
func (k Key) valid() bool {
	return k.Kind != 0 && k.Kind < kindEnd && k.ID != "" && utf8.ValidString(k.ID)
}

// String gives kind:ID.
func (k Key) String() string { return k.Kind.String() + ":" + k.ID }

// Compare orders keys by kind, then ID.
func (k Key) Compare(o Key) int {
	if k.Kind != o.Kind {
		return int(k.Kind) - int(o.Kind)
	}
	return strings.Compare(k.ID, o.ID)
}

// ParseKey is the inverse of String.
func ParseKey(text string) (Key, error) {
	name, id, ok := strings.Cut(text, ":")
	if !ok || id == "" {
		return Key{}, syntaxError("key", text, "want kind:ID")
	}
	kind, err := ParseKind(name)
	if err != nil {
		return Key{}, err
	}
	return Key{kind, id}, nil
}

// MarshalText gives the canonical text.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads the canonical text.
func (k *Key) UnmarshalText(b []byte) error {
	p, err := ParseKey(string(b))
	*k = p
	return err
}

// EscapeID makes a name fit to be an inner segment of an ID: slash, percent and a leading at-sign are percent-encoded.
func EscapeID(s string) string {
	s = strings.ReplaceAll(strings.ReplaceAll(Text([]byte(s)), "%", "%25"), "/", "%2F")
	if strings.HasPrefix(s, "@") {
		s = "%40" + s[1:]
	}
	return s
}

func unescapeID(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(strings.ReplaceAll(s, "%40", "@"), "%2F", "/"), "%25", "%")
}

// Text makes octets from a device fit for the model: valid UTF-8 passes unchanged, other octets become \xNN, so that
// every store and encoding carries the same text. Only a device that spells out \xNN itself looks the same. Devices' words are hostile:
// whoever prints them escapes them.
func Text(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	const digits = "0123456789abcdef"
	var out strings.Builder
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n == 1 {
			out.WriteString(`\x`)
			out.WriteByte(digits[b[0]>>4])
			out.WriteByte(digits[b[0]&15])
		} else {
			out.WriteRune(r)
		}
		b = b[n:]
	}
	return out.String()
}
