package config_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"filippo.io/age"
	"filippo.io/age/armor"
	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/internal/config"
	"github.com/throughline-dc/throughline/topology"
)

const canary = "c4nary-c4nary"

// unpack writes the files of an archive into a folder of their own, readable for nobody else.
func unpack(tb testing.TB, a *txtar.Archive) string {
	tb.Helper()
	dir := tb.TempDir()
	for _, f := range a.Files {
		name := filepath.Join(dir, f.Name)
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			tb.Fatal(err)
		}
		if err := os.WriteFile(name, f.Data, 0o600); err != nil {
			tb.Fatal(err)
		}
	}
	return dir
}

// Each archive holds an inventory with the files it names, and what is to be said of it. The comment gives files other modes:
// "mode 0644 secrets/open", and "c4nary" in it is a secret that must not be repeated.
func TestLoad_findings(t *testing.T) {
	t.Parallel()
	names, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(names) == 0 {
		t.Fatalf("%d archives: %v", len(names), err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			t.Parallel()
			a, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			dir := unpack(t, a)
			for line := range strings.Lines(string(a.Comment)) {
				var mode fs.FileMode
				var file string
				if n, _ := fmt.Sscanf(line, "mode %o %s", &mode, &file); n == 2 {
					if err := os.Chmod(filepath.Join(dir, file), mode); err != nil {
						t.Fatal(err)
					}
				}
			}
			_, err = config.Load(filepath.Join(dir, "in.yaml"))
			got := ""
			if err != nil {
				got = strings.ReplaceAll(err.Error(), dir+"/", "") + "\n"
			}
			if strings.Contains(got, "c4nary") {
				t.Errorf("a secret shows in\n%s", got)
			}
			checkAgainst(t, name, a, got)
		})
	}
}

func checkAgainst(t *testing.T, name string, a *txtar.Archive, got string) {
	t.Helper()
	i := slices.IndexFunc(a.Files, func(f txtar.File) bool { return f.Name == "want" })
	if os.Getenv("UPDATE_GOLDEN") == "1" {
		if i < 0 {
			i = len(a.Files)
			a.Files = append(a.Files, txtar.File{Name: "want"})
		}
		a.Files[i].Data = []byte(got)
		if err := os.WriteFile(name, txtar.Format(a), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if i < 0 {
		t.Fatalf("%s has no file want (UPDATE_GOLDEN=1 writes it)", name)
	}
	if diff := cmp.Diff(string(a.Files[i].Data), got); diff != "" {
		t.Errorf("%s: -want +got\n%s", name, diff)
	}
}

func load(t *testing.T, files ...string) *config.Inventory {
	t.Helper()
	a := &txtar.Archive{}
	for i := 0; i < len(files); i += 2 {
		a.Files = append(a.Files, txtar.File{Name: files[i], Data: []byte(files[i+1])})
	}
	inv, err := config.Load(filepath.Join(unpack(t, a), files[0]))
	if err != nil {
		t.Fatal(err)
	}
	return inv
}

func secretText(d collectors.Device) []string {
	var texts []string
	for _, s := range d.Secrets() {
		texts = append(texts, s.Reveal())
	}
	return texts
}

func TestDevices(t *testing.T) {
	t.Parallel()
	inv := load(t, "inventory.yaml", `
version: 1
credentials:
  fabric: {file: fabric}
  private: {file: private}
  old: {file: old}
defaults:
  deadline: 3m
  snmp: {user: observer, credential: fabric, timeout: 3s, repetitions: 20, priv: aes256}
exclude: [lab-*]
devices:
  - name: leaf1
    kind: switch
    address: 192.0.2.1
    sources:
      - source: snmp
  - name: leaf2
    address: "2001:db8::2"
    deadline: 10m
    sources:
      - {source: snmp, user: other, auth: sha512, priv_credential: private, port: 1161, retries: 0, context: vrf1, in_flight: 1}
  - name: old1
    address: old1.example.net:1610
    sources:
      - {source: snmp, version: 2c, allow_v2c: true, credential: old}
  - name: lab-1
    address: 192.0.2.99
    sources: [{source: snmp}]
  - name: hv1
    kind: host
    address: 192.0.2.11
    sources:
      - {source: libvirt, uri: "qemu+tls://hv1.example.net/system", user: root, credential: old}
      - {source: snmp, address: "[2001:db8::11]:162"}
  - name: hv2
    sources: [{source: libvirt, folder: recordings}]
  - name: patch
    kind: switch
`, "fabric", "fabric-pass\n", "private", "private-pass\r\n", "old", "community", "recordings/a.xml", "<domain/>")
	folder := ""
	var got []string
	for _, d := range inv.Devices() {
		if access, ok := d.Access.(collectors.LibvirtAccess); ok && access.Folder != "" {
			folder = strings.TrimSuffix(access.Folder, "/recordings")
		}
		got = append(got, fmt.Sprintf("%s %s %s %s %s %+v %q", d.Handle, d.Kind, d.Source, d.Address, d.Deadline, d.Access, secretText(d)))
	}
	text := strings.ReplaceAll(strings.Join(got, "\n"), folder, "")
	want := strings.Join([]string{
		`leaf1 switch snmp 192.0.2.1:161 3m0s {Version:3 AllowV2c:false Community:[none] User:observer Auth:SHA-256 AuthKey:[redacted] Priv:AES-256 PrivKey:[redacted] ContextName: Timeout:3s Retries:0 Repetitions:20 InFlight:0} ["" "fabric-pass" "fabric-pass"]`,
		`leaf2 kind(0) snmp [2001:db8::2]:1161 10m0s {Version:3 AllowV2c:false Community:[none] User:other Auth:SHA-512 AuthKey:[redacted] Priv:AES-256 PrivKey:[redacted] ContextName:vrf1 Timeout:3s Retries:-1 Repetitions:20 InFlight:1} ["" "fabric-pass" "private-pass"]`,
		`old1 kind(0) snmp old1.example.net:1610 3m0s {Version:2c AllowV2c:true Community:[redacted] User: Auth:none AuthKey:[none] Priv:none PrivKey:[none] ContextName: Timeout:3s Retries:0 Repetitions:20 InFlight:0} ["community" "" ""]`,
		`hv1 host libvirt qemu+tls://hv1.example.net/system 3m0s {URI:qemu+tls://hv1.example.net/system Folder: User:root Password:[redacted]} ["community"]`,
		`hv1 host snmp [2001:db8::11]:162 3m0s {Version:3 AllowV2c:false Community:[none] User:observer Auth:SHA-256 AuthKey:[redacted] Priv:AES-256 PrivKey:[redacted] ContextName: Timeout:3s Retries:0 Repetitions:20 InFlight:0} ["" "fabric-pass" "fabric-pass"]`,
		`hv2 kind(0) libvirt /recordings 3m0s {URI: Folder:/recordings User: Password:[none]} [""]`,
	}, "\n")
	if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(text, "\n")); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if got := strings.Join(inv.Names(), " "); got != "leaf1 leaf2 old1 lab-1 hv1 hv2 patch" {
		t.Errorf("names %s", got)
	}
}

// What is read as an array is one, unless the inventory says otherwise.
func TestManual_kindOfAnArray(t *testing.T) {
	t.Parallel()
	inv := load(t, "inventory.yaml", `version: 1
devices:
  - {name: array1, rack: r1, address: 192.0.2.41, sources: [{source: san, dialect: tgt, user: root, agent: true, sudo: true, port: 2222}]}
`)
	if facts := inv.Manual(time.Time{})[0].Facts; len(facts) == 0 || facts[0].String() != "array:@array1 MountedIn rack:r1" {
		t.Errorf("%v", facts)
	}
	d := inv.Devices()[0]
	access, ok := d.Access.(collectors.SANAccess)
	if !ok || access.Dialect != "tgt" || access.User != "root" || !access.Agent || !access.Sudo || d.Address != "192.0.2.41:2222" || d.Source != topology.SourceSAN {
		t.Errorf("%+v", d)
	}
}

// Files of configurations are a device's own, or those of the defaults under the device's name, in the order of the answers.
func TestDevices_files(t *testing.T) {
	t.Parallel()
	inv := load(t, "inventory.yaml", `version: 1
defaults:
  cli:
    files:
      eos-route: backups/{name}.routes
      eos-config: backups/{name}.cfg
devices:
  - {name: leaf1, kind: switch, sources: [{source: cli}]}
  - {name: sw2, kind: switch, sources: [{source: cli, files: {ios-config: /var/rancid/sw2}}]}
  - {name: sw3, sources: [{source: cli, files: {"nxos-config": "{name}/{name}.cfg"}}]}
`)
	var got strings.Builder
	for _, d := range inv.Devices() {
		access, _ := d.Access.(collectors.CLIAccess)
		fmt.Fprintf(&got, "%s %s %s:", d.Handle, d.Source, d.Address)
		for _, f := range access.Files {
			path := f.Path
			if strings.HasSuffix(path, "/"+f.Name) {
				path = "beside"
			}
			fmt.Fprintf(&got, " %s %s %s", f.Answer, f.Name, path)
		}
		got.WriteString("\n")
	}
	want := `leaf1 cli backups/leaf1.cfg: eos-config backups/leaf1.cfg beside eos-route backups/leaf1.routes beside
sw2 cli /var/rancid/sw2: ios-config /var/rancid/sw2 /var/rancid/sw2
sw3 cli sw3/sw3.cfg: nxos-config sw3/sw3.cfg beside
`
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Error(diff)
	}
}

func TestManual(t *testing.T) {
	t.Parallel()
	inv := load(t, "inventory.yaml", `version: 1
limits: {default: 1h, tables: {dot1qTpFdbTable: 5m, lldpRemTable: 2d}}
devices:
  - {name: leaf1, kind: switch, site: fra/1, rack: r1}
  - {name: fw1, kind: firewall, rack: r2}
  - {name: hv1, sources: [{source: libvirt, uri: "qemu:///system"}]}
links:
  - {from: {device: leaf1, port: Ethernet1/1}, to: {device: fw1, port: "0"}}
  - {from: {device: hv1, port: eno1}, to: {device: leaf1, port: Ethernet1/2}}
`)
	now := time.Date(2026, 5, 1, 12, 0, 0, 1234567, time.UTC)
	var got []string
	for _, o := range inv.Manual(now) {
		got = append(got, fmt.Sprintf("%s %s rows=%d %s", o.Reading, o.Reading.Command, o.Reading.Rows, o.Reading.Time.Format(time.RFC3339Nano)))
		for _, f := range o.Facts {
			if err := f.Check(); err != nil {
				t.Error(err)
			}
			got = append(got, "  "+f.String())
		}
	}
	want := []string{
		"leaf1/manual/inventory inventory.yaml:4 rows=7 2026-05-01T12:00:00.001Z",
		"  switch:@leaf1 name=leaf1",
		"  switch:@leaf1 MountedIn rack:fra%2F1/r1",
		"  rack:fra%2F1/r1 name=r1",
		"  rack:fra%2F1/r1 location=fra/1",
		"  switch:@leaf1 Contains port:@leaf1/Ethernet1/1",
		"  firewall:@fw1 Contains port:@fw1/0",
		"  port:@fw1/0 Link port:@leaf1/Ethernet1/1",
		"fw1/manual/inventory inventory.yaml:5 rows=3 2026-05-01T12:00:00.001Z",
		"  firewall:@fw1 name=fw1",
		"  firewall:@fw1 MountedIn rack:r2",
		"  rack:r2 name=r2",
		"hv1/manual/inventory inventory.yaml:6 rows=3 2026-05-01T12:00:00.001Z",
		"  host:@hv1 Contains port:@hv1/eno1",
		"  switch:@leaf1 Contains port:@leaf1/Ethernet1/2",
		"  port:@hv1/eno1 Link port:@leaf1/Ethernet1/2",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	limits := inv.Limits()
	for table, want := range map[string]time.Duration{"ifTable": time.Hour, "dot1qTpFdbTable": 5 * time.Minute, "lldpRemTable": 48 * time.Hour} {
		if got := limits.For(table); got != want {
			t.Errorf("limit of %s: %s, want %s", table, got, want)
		}
	}
}

// seal encrypts a text for a recipient.
func seal(t *testing.T, text string, armored bool, to age.Recipient) string {
	t.Helper()
	var out bytes.Buffer
	a := armor.NewWriter(&out)
	var w interface{ Write(p []byte) (int, error) } = &out
	if armored {
		w = a
	}
	e, err := age.Encrypt(w, to)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if armored {
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return out.String()
}

func key(t *testing.T) *age.X25519Identity {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func indent(text string) string {
	return "      " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n      ")
}

func TestLoad_encrypted(t *testing.T) {
	t.Parallel()
	mine, other := key(t), key(t)
	head := "version: 1\nidentity: key\ncredentials:\n"
	tail := "devices:\n  - name: leaf1\n    address: 192.0.2.1\n    sources: [{source: snmp, user: u, credential: c}]\n"
	good := seal(t, canary, true, mine.Recipient())
	tests := map[string]struct {
		credential string
		file       string
		want       string
	}{
		"armored value":      {"  c:\n    age: |\n" + indent(good) + "\n", "", ""},
		"armored file":       {"  c: {age_file: sealed}\n", good, ""},
		"binary file":        {"  c: {age_file: sealed}\n", seal(t, canary, false, mine.Recipient()), ""},
		"for somebody else":  {"  c: {age_file: sealed}\n", seal(t, canary, true, other.Recipient()), "inventory.yaml:4:17: file sealed: is encrypted for somebody else (age -e -r RECIPIENT, with the recipient of the identity)"},
		"cut off":            {"  c: {age_file: sealed}\n", seal(t, canary, false, mine.Recipient())[:180], "inventory.yaml:4:17: file sealed: is not encrypted by age, or damaged"},
		"damaged at its end": {"  c: {age_file: sealed}\n", seal(t, canary, false, mine.Recipient()) + "x", "inventory.yaml:4:17: file sealed: is damaged"},
		"plain text":         {"  c: {age_file: sealed}\n", canary, "inventory.yaml:4:17: file sealed: is not encrypted by age, or damaged"},
		"plain value":        {"  c: {age: " + canary + "}\n", "", "inventory.yaml:4:12: is not encrypted by age, or damaged"},
		"two lines":          {"  c: {age_file: sealed}\n", seal(t, canary+"\n"+canary, true, mine.Recipient()), "inventory.yaml:4:17: file sealed: holds more than one line"},
		"too long":           {"  c: {age_file: sealed}\n", seal(t, strings.Repeat("x", 5000), true, mine.Recipient()), "inventory.yaml:4:17: file sealed: holds more than 4096 octets"},
		"nothing":            {"  c: {age_file: sealed}\n", seal(t, "\n", true, mine.Recipient()), "inventory.yaml:4:17: file sealed: is empty"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := unpack(t, &txtar.Archive{Files: []txtar.File{
				{Name: "inventory.yaml", Data: []byte(head + tt.credential + tail)},
				{Name: "key", Data: []byte("# made for a test\n" + mine.String() + "\n")},
				{Name: "sealed", Data: []byte(tt.file)},
			}})
			inv, err := config.Load(filepath.Join(dir, "inventory.yaml"))
			if tt.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				if got := secretText(inv.Devices()[0]); got[1] != canary {
					t.Errorf("got %q", got)
				}
				return
			}
			if err == nil {
				t.Fatal("no error")
			}
			if got := strings.ReplaceAll(err.Error(), dir+"/", ""); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestLoad_noFile(t *testing.T) {
	t.Parallel()
	_, err := config.Load("testdata/none.yaml")
	var invalid *config.InvalidError
	if !errors.As(err, &invalid) || len(invalid.Findings) != 1 || err.Error() != "testdata/none.yaml: no such file or directory" {
		t.Errorf("got %v", err)
	}
}

// A pipe would keep the program waiting for a writer.
func TestLoad_secretIsAPipe(t *testing.T) {
	t.Parallel()
	dir := unpack(t, &txtar.Archive{Files: []txtar.File{{Name: "in.yaml", Data: []byte(
		"version: 1\ncredentials: {c: {file: pipe}, d: {file: .}}\ndevices: [{name: a, kind: switch}]\n")}}})
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := config.Load(filepath.Join(dir, "in.yaml"))
	want := "in.yaml:2:25: file pipe: is not a regular file\nin.yaml:2:42: file .: is not a regular file"
	if err == nil || strings.ReplaceAll(err.Error(), dir+"/", "") != want {
		t.Errorf("got %v", err)
	}
}

// 10,000 devices, each with a fault, give 10,000 findings.
func TestLoad_large(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("version: 1\ndevices:\n")
	const n = 10_000
	for i := range n {
		fmt.Fprintf(&b, "  - name: leaf-%d\n    kind: swich\n    address: 10.0.%d.%d\n    sources: [{source: libvirt, uri: \"qemu+tls://h%d/system\"}]\n", i, i/250, i%250, i)
	}
	_, err := config.Parse("inventory.yaml", []byte(b.String()))
	var invalid *config.InvalidError
	if !errors.As(err, &invalid) || len(invalid.Findings) != n {
		t.Fatalf("got %v", err)
	}
	inv, err := config.Parse("inventory.yaml", []byte(strings.ReplaceAll(b.String(), "swich", "switch")))
	if err != nil || len(inv.Devices()) != n {
		t.Errorf("got %v", err)
	}
}

func TestParse_hostile(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"flow":     strings.Repeat("[", 100_000),
		"maps":     strings.Repeat("{a: ", 100_000),
		"lists":    strings.Repeat("- ", 100_000),
		"keys":     strings.Repeat("? ", 100_000),
		"tags":     strings.Repeat("!!a ", 100_000),
		"anchors":  strings.Repeat("&a ", 100_000),
		"indents":  deep(2000),
		"laughs":   "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n",
		"too long": strings.Repeat("#\n", 9<<20),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := config.Parse("in.yaml", []byte(text)); err == nil {
				t.Error("no error")
			}
		})
	}
}

func deep(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return b.String()
}

// The reference inventory is a file that people copy from: it must be right, and must show every key.
func TestReference(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../fixtures/inventory/reference.yaml")
	if err != nil {
		t.Fatal(err)
	}
	id := key(t)
	sealed := seal(t, "age-passphrase", true, id.Recipient())
	dir := unpack(t, &txtar.Archive{Files: []txtar.File{
		{Name: "inventory.yaml", Data: bytes.ReplaceAll(text, []byte(referenceSealed(t, text)), []byte(indent(sealed)))},
		{Name: "keys/throughline.key", Data: []byte(id.String() + "\n")},
		{Name: "secrets/fabric", Data: []byte("fabric-passphrase\n")},
		{Name: "secrets/legacy", Data: []byte("community\n")},
		{Name: "secrets/id_ed25519", Data: []byte("-----BEGIN OPENSSH PRIVATE KEY-----\n-----END OPENSSH PRIVATE KEY-----\n")},
		{Name: "secrets/passphrase", Data: []byte("passphrase\n")},
		{Name: "secrets/spines.age", Data: []byte(sealed)},
		{Name: "recordings/hv2/domain.xml", Data: []byte("<domain/>")},
	}})
	inv, err := config.Load(filepath.Join(dir, "inventory.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range inv.Devices() {
		if access, ok := d.Access.(collectors.SNMPAccess); ok && access.Community.IsZero() && access.AuthKey.IsZero() {
			t.Errorf("%s has no credential", d.Handle)
		}
	}
	for _, key := range config.Keys() {
		if !bytes.Contains(text, []byte(key+":")) {
			t.Errorf("the reference does not show the key %s", key)
		}
		doc, err := os.ReadFile("../../docs/operate/inventory.md")
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(doc, []byte("`"+key+"`")) {
			t.Errorf("docs/operate/inventory.md does not explain the key %s", key)
		}
	}
}

// referenceSealed gives the armored block of the reference, which is encrypted for a key that nobody has.
func referenceSealed(t *testing.T, text []byte) string {
	t.Helper()
	begin, end := bytes.Index(text, []byte("      -----BEGIN")), bytes.Index(text, []byte("-----END AGE ENCRYPTED FILE-----"))
	if begin < 0 || end < 0 {
		t.Fatal("the reference shows no encrypted value")
	}
	return string(text[begin : end+len("-----END AGE ENCRYPTED FILE-----")])
}

func FuzzParse(f *testing.F) {
	dir := unpack(f, &txtar.Archive{Files: []txtar.File{{Name: "secret", Data: []byte(canary)}, {Name: "folder/a.xml"}}})
	names, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range append(names, "../../fixtures/inventory/reference.yaml") {
		a, err := txtar.ParseFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(a.Comment)
		for _, file := range a.Files {
			if strings.HasSuffix(file.Name, ".yaml") {
				f.Add(file.Data)
			}
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > 1<<16 {
			return
		}
		inv, err := config.Parse(filepath.Join(dir, "in.yaml"), text)
		if err != nil {
			var invalid *config.InvalidError
			if !errors.As(err, &invalid) || len(invalid.Findings) == 0 {
				t.Fatalf("error without findings: %v", err)
			}
			if strings.Contains(err.Error(), canary) && !bytes.Contains(text, []byte(canary)) {
				t.Fatalf("a secret shows in %v", err)
			}
			return
		}
		for _, d := range inv.Devices() {
			if d.Handle == "" || d.Access == nil || d.Address == "" {
				t.Fatalf("half a device: %+v", d)
			}
		}
		for _, o := range inv.Manual(time.Unix(0, 0)) {
			for _, fact := range o.Facts {
				if err := fact.Check(); err != nil {
					t.Fatal(err)
				}
				if handle, _, local := fact.Subject.Local(); local && !slices.Contains(inv.Names(), handle) {
					t.Fatalf("%s is of no device", fact)
				}
			}
			if o.Reading.Source != topology.SourceManual || o.Reading.Partial {
				t.Fatalf("%+v", o.Reading)
			}
		}
	})
}
