package snmp_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gosnmp/gosnmp"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/collectors/snmp"
	"github.com/throughline-dc/throughline/fixtures/sim/snmpagent"
	"github.com/throughline-dc/throughline/internal/snmprec"
)

const (
	community  = "observer"
	passphrase = "correct horse battery"
)

func v2c() collectors.SNMPAccess {
	return collectors.SNMPAccess{Version: collectors.SNMPv2c, AllowV2c: true, Community: collectors.NewSecret(community)}
}

func v3() collectors.SNMPAccess {
	return collectors.SNMPAccess{
		Version: collectors.SNMPv3, User: "reader",
		Auth: collectors.SNMPAuthSHA256, AuthKey: collectors.NewSecret(passphrase),
		Priv: collectors.SNMPPrivAES, PrivKey: collectors.NewSecret(passphrase),
	}
}

func reader() snmpagent.User {
	return snmpagent.User{
		Name: "reader", Authentication: gosnmp.SHA256, AuthPassphrase: passphrase, Privacy: gosnmp.AES, PrivPassphrase: passphrase,
	}
}

// ifXTable is a table of four columns; the agent has a further column and objects around it.
func ifXTable() snmp.Table {
	return snmp.Table{Name: "ifXTable", Entry: snmprec.NewOID(1, 3, 6, 1, 2, 1, 31, 1, 1, 1), Columns: []uint32{1, 6, 10, 15}}
}

// fdbTable is dot1qTpFdbTable.
func fdbTable() snmp.Table {
	return snmp.Table{Name: "dot1qTpFdbTable", Entry: snmprec.NewOID(1, 3, 6, 1, 2, 1, 17, 7, 1, 2, 2, 1), Columns: []uint32{2, 3}, Long: true}
}

// around are objects before and behind the tables.
func around() []snmprec.Varbind {
	return []snmprec.Varbind{
		{OID: snmprec.NewOID(1, 3, 6, 1, 2, 1, 1, 1, 0), Value: snmprec.StringValue("simulated switch")},
		{OID: snmprec.NewOID(1, 3, 6, 1, 2, 1, 1, 3, 0), Value: snmprec.TimeTicksValue(4711)},
		{OID: snmprec.NewOID(1, 3, 6, 1, 2, 1, 99, 1, 0), Value: snmprec.IntegerValue(1)},
	}
}

// fill gives every column of a table a value in every row.
func fill(table snmp.Table, rows []snmprec.OID) []snmprec.Varbind {
	var varbinds []snmprec.Varbind
	for _, column := range table.Columns {
		for i, index := range rows {
			varbinds = append(varbinds, snmprec.Varbind{OID: table.Column(column).Join(index), Value: snmprec.Counter64Value(uint64(i))})
		}
	}
	return varbinds
}

func numbered(n int) []snmprec.OID {
	rows := make([]snmprec.OID, n)
	for i := range rows {
		rows[i] = snmprec.NewOID(uint32(i + 1))
	}
	return rows
}

// macs are n random FDB indexes over some VLANs.
func macs(n int, seed uint64) []snmprec.OID {
	r := rand.New(rand.NewPCG(seed, 1))
	rows := make([]snmprec.OID, n)
	for i := range rows {
		rows[i] = snmprec.NewOID(uint32(10+r.IntN(8)*10), 2, 0, uint32(r.IntN(4)), uint32(r.IntN(256)), uint32(r.IntN(256)), uint32(r.IntN(256)))
	}
	return rows
}

func startAgent(tb testing.TB, varbinds []snmprec.Varbind) *snmpagent.Agent {
	tb.Helper()
	store, err := snmpagent.NewStore(slices.Concat(varbinds, around()))
	if err != nil {
		tb.Fatal(err)
	}
	agent, err := snmpagent.Start(store, snmpagent.Config{Community: community, Users: []snmpagent.User{reader()}, Seed: 1})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = agent.Close() })
	return agent
}

func open(tb testing.TB, agent *snmpagent.Agent, access collectors.SNMPAccess, profile snmp.Profile) *snmp.Session {
	tb.Helper()
	session, err := snmp.NewSession(agent.Address().String(), access, profile)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := session.Close(); err != nil {
			tb.Errorf("close: %v", err)
		}
	})
	return session
}

// quick is a profile for tests that wait for timeouts.
func quick() snmp.Profile {
	p := snmp.DefaultProfile()
	p.Timeout, p.Retries = time.Second, 2
	return p
}

func flat(table snmp.Table, rows snmp.Rows) []string {
	var lines []string
	for _, column := range table.Columns {
		for _, cell := range rows.Column(column) {
			lines = append(lines, snmprec.Varbind{OID: table.Column(column).Join(cell.Index), Value: cell.Value}.String())
		}
	}
	return lines
}

func held(table snmp.Table, varbinds []snmprec.Varbind) []string {
	sorted, _ := snmprec.Sort(slices.Clone(varbinds))
	var lines []string
	for _, column := range table.Columns {
		for _, vb := range (snmprec.Recording{Varbinds: sorted}).Under(table.Column(column)) {
			lines = append(lines, vb.String())
		}
	}
	return lines
}

// mustBeWhole walks and demands everything that the agent holds.
func mustBeWhole(t *testing.T, session *snmp.Session, table snmp.Table, varbinds []snmprec.Varbind) snmp.Result {
	t.Helper()
	rows, result, err := session.Walk(t.Context(), table)
	if err != nil {
		t.Fatal(err)
	}
	if !result.Complete {
		t.Errorf("incomplete: %v", result.Gaps)
	}
	if diff := cmp.Diff(held(table, varbinds), flat(table, rows)); diff != "" {
		t.Errorf("rows (-held +read):\n%s", diff)
	}
	return result
}

func TestSession_namesWhatIsWrong(t *testing.T) {
	t.Parallel()
	table := ifXTable()
	varbinds := fill(table, numbered(3))
	wrong := func(change func(*collectors.SNMPAccess)) collectors.SNMPAccess {
		a := v3()
		change(&a)
		return a
	}
	for name, c := range map[string]struct {
		access collectors.SNMPAccess
		faults snmpagent.Faults
		want   error
		words  string
	}{
		"wrong community": {
			collectors.SNMPAccess{Version: collectors.SNMPv2c, AllowV2c: true, Community: collectors.NewSecret("canary-7f3a")},
			snmpagent.Faults{},
			collectors.ErrUnreachable, "community",
		},
		"unknown user":     {wrong(func(a *collectors.SNMPAccess) { a.User = "stranger" }), snmpagent.Faults{}, collectors.ErrDenied, "user"},
		"wrong passphrase": {wrong(func(a *collectors.SNMPAccess) { a.AuthKey = collectors.NewSecret("canary-7f3a-auth") }), snmpagent.Faults{}, collectors.ErrDenied, "authentication"},
		"wrong protocol":   {wrong(func(a *collectors.SNMPAccess) { a.Auth = collectors.SNMPAuthSHA512 }), snmpagent.Faults{}, collectors.ErrDenied, "authentication"},
		"wrong privacy":    {wrong(func(a *collectors.SNMPAccess) { a.PrivKey = collectors.NewSecret("canary-7f3a-priv") }), snmpagent.Faults{}, collectors.ErrDenied, "privacy"},
		"mute":             {v2c(), snmpagent.Faults{Mute: true}, collectors.ErrUnreachable, "no answer"},
		"mute v3":          {v3(), snmpagent.Faults{Mute: true}, collectors.ErrUnreachable, "no answer"},
		"not SNMP":         {v2c(), snmpagent.Faults{Echo: true}, collectors.ErrMalformed, "does not speak SNMP"},
		"not SNMP v3":      {v3(), snmpagent.Faults{Echo: true}, collectors.ErrMalformed, ""},
		"all truncated":    {v2c(), snmpagent.Faults{Truncate: 1}, collectors.ErrMalformed, "does not speak SNMP"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			agent := startAgent(t, varbinds)
			agent.SetFaults(c.faults)
			profile := quick()
			profile.Timeout, profile.Retries = 400*time.Millisecond, 2
			session := open(t, agent, c.access, profile)
			begin := time.Now()
			rows, result, err := session.Walk(t.Context(), table)
			if !errors.Is(err, c.want) || result.Complete || rows.Len() > 0 {
				t.Fatalf("%v; %+v", err, result)
			}
			if !strings.Contains(err.Error(), c.words) || !strings.Contains(err.Error(), agent.Address().String()) {
				t.Errorf("%q does not say %q and the address", err, c.words)
			}
			if strings.Contains(fmt.Sprintf("%v %+v %#v", err, result, session), "canary-7f3a") {
				t.Errorf("a secret shows: %v", err)
			}
			if _, _, err := session.Walk(t.Context(), table); !errors.Is(err, c.want) {
				t.Errorf("a second walk: %v", err)
			}
			if took := time.Since(begin); took > 10*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

func TestSession_nobodyListens(t *testing.T) {
	t.Parallel()
	conn, err := (&net.ListenConfig{}).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := conn.LocalAddr().String()
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	profile := quick()
	profile.Timeout = 30 * time.Millisecond
	session, err := snmp.NewSession(address, v2c(), profile)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = session.Close() }()
	_, result, err := session.Walk(t.Context(), ifXTable())
	if !errors.Is(err, collectors.ErrUnreachable) || !strings.Contains(err.Error(), "nothing listens") || result.Complete {
		t.Errorf("%v; %+v", err, result)
	}
}

func TestNewSession_refuses(t *testing.T) {
	t.Parallel()
	change := func(f func(*collectors.SNMPAccess)) collectors.SNMPAccess {
		a := v3()
		f(&a)
		return a
	}
	plain := v2c()
	plain.AllowV2c = false
	empty := v2c()
	empty.Community = collectors.Secret{}
	for words, access := range map[string]collectors.SNMPAccess{
		"allow_v2c":                      plain,
		"no community":                   empty,
		"not spoken":                     {Version: 1},
		"no SNMPv3 user":                 change(func(a *collectors.SNMPAccess) { a.User = "" }),
		"without SHA-2":                  change(func(a *collectors.SNMPAccess) { a.Auth = 0 }),
		"without AES":                    change(func(a *collectors.SNMPAccess) { a.Priv = 0 }),
		"the authentication passphrase":  change(func(a *collectors.SNMPAccess) { a.AuthKey = collectors.NewSecret("short") }),
		"the privacy passphrase has few": change(func(a *collectors.SNMPAccess) { a.PrivKey = collectors.Secret{} }),
	} {
		if _, err := snmp.NewSession("192.0.2.1", access, snmp.Profile{}); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%q: %v", words, err)
		}
	}
	for _, address := range []string{"", ":161", "192.0.2.1:0", "192.0.2.1:70000", "192.0.2.1:snmp", "a b"} {
		if _, err := snmp.NewSession(address, v2c(), snmp.Profile{}); err == nil {
			t.Errorf("address %q was accepted", address)
		}
	}
	for _, address := range []string{"192.0.2.1", "switch.example:1161", "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:1161"} {
		if _, err := snmp.NewSession(address, v2c(), snmp.Profile{}); err != nil {
			t.Errorf("address %q: %v", address, err)
		}
	}
}

func TestScalars(t *testing.T) {
	t.Parallel()
	descr, uptime, absent := around()[0].OID, around()[1].OID, snmprec.NewOID(1, 3, 6, 1, 2, 1, 1, 9, 0)
	for label, access := range map[string]collectors.SNMPAccess{"v2c": v2c(), "v3": v3()} {
		t.Run(label, func(t *testing.T) {
			t.Parallel()
			agent := startAgent(t, fill(ifXTable(), numbered(100)))
			session := open(t, agent, access, quick())
			oids := []snmprec.OID{descr, absent, uptime}
			for i := range uint32(100) {
				oids = append(oids, ifXTable().Column(1).Append(i+1))
			}
			said, result, err := session.Scalars(t.Context(), oids...)
			if err != nil || !result.Complete || len(said) != len(oids) {
				t.Fatalf("%d of %d: %+v, %v", len(said), len(oids), result, err)
			}
			if said[descr] != snmprec.StringValue("simulated switch") || said[absent].Present() || said[oids[102]] != snmprec.Counter64Value(99) {
				t.Errorf("%v", said)
			}
			agent.SetFaults(snmpagent.Faults{GenErrAt: oids[50], MaxVarbinds: 3})
			said, result, err = session.Scalars(t.Context(), oids...)
			if err != nil || result.Complete || len(result.Gaps) != 1 || len(said) != len(oids)-1 {
				t.Fatalf("%d of %d: %+v, %v", len(said), len(oids), result, err)
			}
			if g := result.Gaps[0]; g.After != oids[50] || !strings.Contains(g.Reason, "genErr") {
				t.Errorf("%v", g)
			}
			agent.SetFaults(snmpagent.Faults{SilentUnder: descr})
			said, result, err = session.Scalars(t.Context(), descr, uptime)
			if err != nil || len(result.Gaps) != 1 || said[uptime] != around()[1].Value {
				t.Errorf("%v: %+v, %v", said, result, err)
			}
		})
	}
}
