package config_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/throughline-dc/throughline/collectors"
)

// A device's own word comes before the defaults; one that says a way to log in is offered no other one.
func TestDevices_ssh(t *testing.T) {
	t.Parallel()
	const key = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEA\n-----END OPENSSH PRIVATE KEY-----\n"
	inv := load(t, "inventory.yaml", `
version: 1
credentials: {key: {file: key}, phrase: {file: phrase}, pw: {file: pw}}
defaults:
  ssh: {user: reader, key: key, key_credential: phrase, sudo: true, timeout: 20s, jump: [{address: 192.0.2.250, user: hop, agent: true}]}
devices:
  - {name: hv1, address: 192.0.2.1, sources: [{source: ssh}]}
  - name: hv2
    address: 192.0.2.2:1161
    sources:
      - {source: ssh, user: root, credential: pw, sudo: false, jump: [], port: 2222, timeout: 5s, known_hosts: /etc/ssh/ssh_known_hosts}
  - name: hv3
    sources:
      - source: ssh
        address: "[2001:db8::3]:22"
        agent: true
        host_keys: ["SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"]
`, "key", key, "phrase", "the-phrase\n", "pw", "the-password\n")
	var got []string
	for _, d := range inv.Devices() {
		a, ok := d.Access.(collectors.SSHAccess)
		if !ok {
			t.Fatalf("%s: %T", d.Handle, d.Access)
		}
		known := a.KnownHosts[strings.LastIndexByte(a.KnownHosts, '/')+1:]
		var line strings.Builder
		fmt.Fprintf(&line, "%s %s %s %s %q agent=%t keys=%v %s sudo=%t %s", d.Handle, d.Source, d.Address, a.User, secretText(d), a.Agent, a.HostKeys, known, a.Sudo, a.Timeout)
		for _, hop := range a.Jump {
			fmt.Fprintf(&line, " by %s@%s agent=%t same=%t", hop.User, hop.Address, hop.Agent, hop.KnownHosts == a.KnownHosts)
		}
		got = append(got, line.String())
	}
	want := []string{
		fmt.Sprintf(`hv1 ssh 192.0.2.1:22 reader ["" %q "the-phrase" "" "" ""] agent=false keys=[] known_hosts sudo=true 20s by hop@192.0.2.250:22 agent=true same=true`, key),
		`hv2 ssh 192.0.2.2:2222 root ["the-password" "" ""] agent=false keys=[] ssh_known_hosts sudo=false 5s`,
		`hv3 ssh [2001:db8::3]:22 reader ["" "" "" "" "" ""] agent=true keys=[SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU] known_hosts sudo=true 20s by hop@192.0.2.250:22 agent=true same=true`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}
