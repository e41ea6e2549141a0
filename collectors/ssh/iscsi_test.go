package ssh_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/throughline-dc/throughline/collectors"
	"github.com/throughline-dc/throughline/collectors/ssh"
	"github.com/throughline-dc/throughline/topology"
)

// sanFacts reads the recorded host with a SAN under a name, with something in its answers replaced (table, old, new), and gives the facts in words.
func sanFacts(t *testing.T, host string, replace ...[3]string) []string {
	t.Helper()
	answers := answersIn(t, "testdata/host/san")
	for _, r := range replace {
		changed := strings.ReplaceAll(string(answers[r[0]]), r[1], r[2])
		if changed == string(answers[r[0]]) {
			t.Fatalf("%s has no %q", r[0], r[1])
		}
		answers[r[0]] = []byte(changed)
	}
	d := collectors.Device{Handle: host, Kind: topology.Host, Source: topology.SourceSSH}
	observations, _ := ssh.Replay(d, answers, time.Unix(0, 0))
	var facts []string
	for _, o := range observations {
		for _, f := range o.Facts {
			facts = append(facts, f.String())
		}
	}
	return facts
}

// unitsIn lists the logical units that an iSCSI target exports.
func unitsIn(facts []string) []string {
	var units []string
	for _, f := range facts {
		if _, unit, ok := strings.Cut(f, " Exports logicalunit:"); ok && strings.HasPrefix(f, "targetport:iqn.") {
			units = append(units, unit)
		}
	}
	slices.Sort(units)
	return slices.Compact(units)
}

// What two hosts see under one number of one target is one unit only if its designator says so: an array with one name may give each initiator its own.
func TestISCSI_twoHosts(t *testing.T) {
	t.Parallel()
	const designated = "naa.600533000000000000000000000000c0"
	one := unitsIn(sanFacts(t, "hv1"))
	two := unitsIn(sanFacts(t, "hv2"))
	if want := []string{"@hv1/iqn.2026-01.com.example:array/7", designated}; !slices.Equal(one, want) {
		t.Errorf("hv1 sees %v, want %v", one, want)
	}
	for _, u := range one {
		if shared := slices.Contains(two, u); shared != (u == designated) {
			t.Errorf("%s is seen by hv2, too: %t", u, shared)
		}
	}
	// Multipath knows the designator of a disk that lsblk shows without.
	facts := sanFacts(t, "hv1", [3]string{"lsblk", `"wwn":"0x600533000000000000000000000000c0"`, `"wwn":null`})
	if !slices.Contains(facts, "logicalunit:@hv1/iqn.2026-01.com.example:array/8 designator="+designated) {
		t.Errorf("the unit of sdf is not joined with that of its multipath device: %q", facts)
	}
}

// A session that is not connected and a disk that is offline are told with their states, and are no path that works. Forms of both as iscsiadm
// (print_iscsi_state) and the kernel (scsi_sysfs.c, sdev_states) have them.
func TestISCSI_states(t *testing.T) {
	t.Parallel()
	const (
		portal = "iqn.2026-01.com.example:array,192.0.2.50:3260"
		nexus  = "initiatorport:iqn.2026-01.com.example:hv1 Nexus targetport:" + portal
		export = "targetport:" + portal + " Exports logicalunit:@hv1/iqn.2026-01.com.example:array/7"
	)
	session, connection := "iSCSI Session State: LOGGED_IN", "iSCSI Connection State: LOGGED IN"
	for _, c := range []struct {
		name    string
		replace [][3]string
		state   string
		stands  bool
	}{
		{"as recorded", nil, "LOGGED_IN running", true},
		{"an old version that lists no session state", [][3]string{{"iscsiadm", "\t\t" + session + "\n", ""}}, "LOGGED_IN running", true},
		{"failed session", [][3]string{{"iscsiadm", session, "iSCSI Session State: FAILED"}}, "FAILED running", false},
		{"freed session", [][3]string{{"iscsiadm", session, "iSCSI Session State: FREE"}}, "FREE running", false},
		{"connection that waits", [][3]string{{"iscsiadm", connection, "iSCSI Connection State: TRANSPORT WAIT"}}, "TRANSPORT_WAIT running", false},
		{"connection in login", [][3]string{{"iscsiadm", connection, "iSCSI Connection State: IN LOGIN"}}, "IN_LOGIN running", false},
		{"connection that nobody knows", [][3]string{{"iscsiadm", connection, "iSCSI Connection State: Unknown"}}, "unknown running", true},
		{"no connection state", [][3]string{{"iscsiadm", "\t\t" + connection + "\n", ""}}, "unknown running", true},
		{"offline disk", [][3]string{{"iscsiadm", "disk sde\t\tState: running", "disk sde\t\tState: offline"}}, "LOGGED_IN offline", true},
		{"disk whose transport is offline", [][3]string{{"iscsiadm", "disk sde\t\tState: running", "disk sde\t\tState: transport-offline"}}, "LOGGED_IN transport-offline", true},
		{"blocked disk", [][3]string{{"iscsiadm", "disk sde\t\tState: running", "disk sde\t\tState: blocked"}}, "LOGGED_IN blocked", true},
		{"disk of unknown state", [][3]string{{"iscsiadm", "disk sde\t\tState: running", "disk sde\t\tState: Unknown"}}, "LOGGED_IN unknown", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			facts := sanFacts(t, "hv1", c.replace...)
			if want := "logicalunit:@hv1/iqn.2026-01.com.example:array/7 pathState=hv1 12:0:0:7 sde " + c.state + " " + portal; !slices.Contains(facts, want) {
				t.Errorf("%s is not stated: %q", want, facts)
			}
			for _, f := range []string{nexus, export} {
				if stated := slices.Contains(facts, f); stated != c.stands {
					t.Errorf("%s: stated %t", f, stated)
				}
			}
		})
	}
}

// A disk without a state is a row that is not understood.
func TestISCSI_noState(t *testing.T) {
	t.Parallel()
	raw := strings.Replace(string(answersIn(t, "testdata/host/san")["iscsiadm"]), "disk sde\t\tState: running", "disk sde\t\tState:", 1)
	_, unparsed, err := ssh.Parse("iscsiadm", []byte(raw))
	if err != nil || len(unparsed) != 1 {
		t.Errorf("not understood: %v, error %v", unparsed, err)
	}
}

// A host that logs in to one target under two names may be shown two units under one number: only their designators tell them apart.
func TestISCSI_twoInitiators(t *testing.T) {
	t.Parallel()
	facts := sanFacts(t, "hv1", [3]string{"iscsiadm", "Iface Initiatorname: iqn.2026-01.com.example:hv1\n\t\tSID: 2", "Iface Initiatorname: iqn.2026-01.com.example:other\n\t\tSID: 2"})
	for _, f := range facts {
		if strings.Contains(f, "/iqn.2026-01.com.example:array/") {
			t.Errorf("%s is stated", f)
		}
	}
	const state = "logicalunit:naa.600533000000000000000000000000c0 pathState=hv1 13:0:0:8 sdg FAILED transport-offline iqn.2026-01.com.example:array,[2001:db8::50]:3260"
	if !slices.Contains(facts, state) {
		t.Errorf("%s is not stated: %q", state, facts)
	}
}
