package topology_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"testing"

	"github.com/throughline-dc/throughline/topology"
)

// items builds a stream by hand: numbers are unsigned varints, strings have their length before them.
func items(of ...any) []byte {
	var b []byte
	for _, x := range of {
		switch x := x.(type) {
		case int:
			b = binary.AppendUvarint(b, uint64(x))
		case string:
			b = append(binary.AppendUvarint(b, uint64(len(x))), x...)
		case []any:
			b = append(b, items(x...)...)
		}
	}
	return b
}

// small1 is a stream of the first form with one VM that is called x and runs on a host, in the names of a program that numbers otherwise than we do.
func small1(change func(map[string]any)) []byte {
	v := map[string]any{
		"counts": []any{1, 2, 1, 1, 1}, "kinds": []any{3, "", "vm", "host"}, "rels": []any{2, "", "RunsOn"},
		"sources": []any{2, "", "libvirt"}, "attrs": []any{2, "", 0, "name", int(topology.TypeText)},
		"words": []any{2, "h", "domains"}, "reading": []any{1, 0, 1, 0, 1, 0, 0, 0},
		"nodes": []any{2, "a", 1, "b"}, "texts": []any{"x"},
		"row1": []any{0, 0}, "row2": []any{1, 1, 200, 0, 0, 0, 1, 1, 200, 0, 0, 0},
	}
	change(v)
	return items(7, 0, v["counts"], v["kinds"], v["rels"], v["sources"], v["attrs"], v["words"], v["reading"], v["nodes"], v["texts"], v["row1"], v["row2"])
}

func TestCheckpoint_form1NamesOutliveNumbers(t *testing.T) {
	t.Parallel()
	s, err := topology.ReadCheckpoint(bytes.NewReader(topology.CheckpointWith(small1(func(map[string]any) {}))))
	if err != nil {
		t.Fatal(err)
	}
	vm, _ := s.Node(topology.Key{Kind: topology.VM, ID: "b"})
	host, _ := vm.First(topology.RunsOn)
	if vm.Text(topology.AttrName) != "x" || host.Key() != (topology.Key{Kind: topology.Host, ID: "a"}) || s.Revision() != 7 {
		t.Errorf("read %q on %s", vm.Text(topology.AttrName), host.Key())
	}
}

func TestCheckpoint_form1Hostile(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(map[string]any)
		want   error
	}{
		"a kind of a later version":           {func(v map[string]any) { v["kinds"] = []any{3, "", "wormhole", "host"} }, topology.ErrSchema},
		"a relation of a later version":       {func(v map[string]any) { v["rels"] = []any{2, "", "Haunts"} }, topology.ErrSchema},
		"a source of a later version":         {func(v map[string]any) { v["sources"] = []any{2, "", "rumour"} }, topology.ErrSchema},
		"an attribute of a later version":     {func(v map[string]any) { v["attrs"] = []any{2, "", 0, "mood", 1} }, topology.ErrSchema},
		"an attribute of another type":        {func(v map[string]any) { v["attrs"] = []any{2, "", 0, "name", 2} }, topology.ErrSchema},
		"more names than numbers":             {func(v map[string]any) { v["kinds"] = []any{1 << 40, ""} }, topology.ErrSyntax},
		"a kind without a name":               {func(v map[string]any) { v["nodes"] = []any{9, "a", 1, "b"} }, topology.ErrSyntax},
		"a claim of 2^40 nodes":               {func(v map[string]any) { v["counts"] = []any{1, 1 << 40, 1, 1, 1} }, topology.ErrSyntax},
		"a claim of 2^31 nodes":               {func(v map[string]any) { v["counts"] = []any{1, 1 << 31, 1, 1, 1} }, nil},
		"a claim of 2^31 facts":               {func(v map[string]any) { v["counts"] = []any{1, 2, 1, 1 << 31, 1} }, topology.ErrSyntax},
		"a row of 2^60 facts":                 {func(v map[string]any) { v["row1"] = []any{1 << 60} }, nil},
		"nodes in the order of other numbers": {func(v map[string]any) { v["nodes"] = []any{1, "b", 2, "a"} }, topology.ErrSyntax},
		"a node twice":                        {func(v map[string]any) { v["nodes"] = []any{1, "b", 1, "b"} }, topology.ErrSyntax},
		"a node without an ID":                {func(v map[string]any) { v["nodes"] = []any{2, "", 1, "b"} }, topology.ErrSyntax},
		"a text that is not there":            {func(v map[string]any) { v["row2"] = []any{1, 1, 200, 0, 0, 4, 0} }, topology.ErrSyntax},
		"a text before the first":             {func(v map[string]any) { v["row2"] = []any{1, 1, 200, 0, 0, 1, 0} }, topology.ErrSyntax},
		"a peer that is not there":            {func(v map[string]any) { v["row2"] = []any{0, 1, 1, 200, 0, 0, 8} }, topology.ErrSyntax},
		"a reading that is not there":         {func(v map[string]any) { v["row2"] = []any{1, 1, 200, 2, 0, 0, 0} }, topology.ErrSyntax},
		"a confidence of 101":                 {func(v map[string]any) { v["row2"] = []any{1, 1, 202, 0, 0, 0, 0} }, topology.ErrSyntax},
		"a time after 2106":                   {func(v map[string]any) { v["row2"] = []any{1, 1, 200, 0, 1 << 40, 0, 0} }, topology.ErrSyntax},
		"a word that is not there":            {func(v map[string]any) { v["reading"] = []any{1, 7, 1, 0, 1, 0, 0, 0} }, topology.ErrSyntax},
		"text that is not UTF-8":              {func(v map[string]any) { v["texts"] = []any{"\xff"} }, topology.ErrSyntax},
		"a text longer than its frame":        {func(v map[string]any) { v["texts"] = []any{1 << 50} }, topology.ErrSyntax},
		"something after the end":             {func(v map[string]any) { v["row2"] = []any{v["row2"], 1} }, topology.ErrSyntax},
		"facts in the wrong order": {func(v map[string]any) {
			v["counts"] = []any{1, 2, 1, 2, 0}
			v["row2"] = []any{2, 1, 2, 0, 0, 0, 1, 200, 0, 0, 1, 0}
		}, topology.ErrSyntax},
		"a bool that is neither": {func(v map[string]any) {
			v["attrs"] = []any{2, "", 0, "readOnly", int(topology.TypeBool)}
			v["row2"] = []any{1, 1, 200, 0, 0, 2, 0}
		}, topology.ErrSyntax},
		"a MAC of 64 bits": {func(v map[string]any) {
			v["attrs"] = []any{2, "", 0, "mac", int(topology.TypeMAC)}
			v["row2"] = []any{1, 1, 200, 0, 0, 1 << 60, 0}
		}, topology.ErrSyntax},
		"an FDB entry in a VLAN of its own": {func(v map[string]any) {
			v["attrs"] = []any{2, "", 0, "learned", int(topology.TypeFDB)}
			v["row2"] = []any{1, 1, 200, 0, 0, 4095 << 48, 0}
		}, topology.ErrSyntax},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := topology.ReadCheckpoint(bytes.NewReader(topology.CheckpointWith(small1(tc.change))))
			if err == nil || tc.want != nil && !errors.Is(err, tc.want) {
				t.Errorf("error is %v, want %v", err, tc.want)
			}
		})
	}
}

// TestCheckpoint_form1 reads what an earlier program wrote.
func TestCheckpoint_form1(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("testdata/form1.ckpt")
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("testdata/form1.json")
	if err != nil {
		t.Fatal(err)
	}
	s, err := topology.ReadCheckpoint(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if err := s.WriteJSON(&got, true); err != nil || !bytes.Equal(got.Bytes(), want) {
		t.Errorf("error %v; what was read is not what was written:\n%s", err, &got)
	}
	for i := range raw {
		if _, err := topology.ReadCheckpoint(bytes.NewReader(raw[:i])); !errors.Is(err, topology.ErrSyntax) {
			t.Fatalf("cut at %d of %d: error is %v, want ErrSyntax", i, len(raw), err)
		}
	}
}

// small is a checkpoint with one VM that is called x, has 2 CPUs and runs on a host, in the names of a program that numbers otherwise than we do. Its
// vNIC borrows its ID.
func small(change func(map[string]any)) []byte {
	v := map[string]any{
		"counts": []any{1, 3, 1, 2, 2}, "kinds": []any{4, "", "vm", "host", "vnic"}, "rels": []any{3, "", "RunsOn", "Contains"},
		"sources": []any{2, "", "libvirt"}, "attrs": []any{3, "", 0, "name", int(topology.TypeText), "cpus", int(topology.TypeInt)},
		"words": []any{2, "h", "domains"}, "reading": []any{1, 0, 1, 0, 1, 0, 0, 0},
		"runs": []any{3, 2, 1, 1, 1, 3, 1}, "id1": []any{0, "a"}, "id2": []any{0, "b"}, "id3": []any{1, 2, "/m"}, "texts": []any{"x"},
		"facts1": []any{0}, "facts2": []any{2, 0, 1, 200, 3, 0, 1, 2, 200, 3, 2}, "facts3": []any{0},
		"edges1": []any{0}, "edges2": []any{2, 0, 2, 200, 3, 4, 1, 1, 200, 3, 0}, "edges3": []any{0},
		"beyond": []any{},
	}
	change(v)
	return topology.CheckpointOf(
		items(7, 0, v["counts"], v["kinds"], v["rels"], v["sources"], v["attrs"]),
		items(v["words"], v["reading"]),
		items(v["runs"], v["id1"], v["id2"], v["id3"]),
		items(v["texts"]),
		items(v["facts1"], v["facts2"], v["facts3"]),
		items(v["edges1"], v["edges2"], v["edges3"], v["beyond"]),
	)
}

// smallHead is the head of small, for the sections to be drawn.
func smallHead() []byte {
	return items(7, 0, 1, 3, 1, 2, 2, 4, "", "vm", "host", "vnic", 3, "", "RunsOn", "Contains", 2, "", "libvirt",
		3, "", 0, "name", int(topology.TypeText), "cpus", int(topology.TypeInt))
}

func TestCheckpoint_namesOutliveNumbers(t *testing.T) {
	t.Parallel()
	s, err := topology.ReadCheckpoint(bytes.NewReader(small(func(map[string]any) {})))
	if err != nil {
		t.Fatal(err)
	}
	vm, _ := s.Node(topology.Key{Kind: topology.VM, ID: "b"})
	host, _ := vm.First(topology.RunsOn)
	part, _ := vm.First(topology.Contains)
	cpus, _ := vm.Int(topology.AttrCPUs)
	if vm.Text(topology.AttrName) != "x" || cpus != 2 || host.Key() != (topology.Key{Kind: topology.Host, ID: "a"}) || part.Key().ID != "b/m" {
		t.Errorf("read %q with %d CPUs on %s, with %s", vm.Text(topology.AttrName), cpus, host.Key(), part.Key())
	}
	if s.Revision() != 7 || s.Len() != 3 {
		t.Errorf("revision %d has %d nodes", s.Revision(), s.Len())
	}
}

func TestCheckpoint_hostile(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(map[string]any)
		want   error
	}{
		"a kind of a later version":         {func(v map[string]any) { v["kinds"] = []any{4, "", "wormhole", "host", "vnic"} }, topology.ErrSchema},
		"a relation of a later version":     {func(v map[string]any) { v["rels"] = []any{3, "", "Haunts", "Contains"} }, topology.ErrSchema},
		"a source of a later version":       {func(v map[string]any) { v["sources"] = []any{2, "", "rumour"} }, topology.ErrSchema},
		"an attribute of a later version":   {func(v map[string]any) { v["attrs"] = []any{3, "", 0, "mood", 1, "cpus", 2} }, topology.ErrSchema},
		"an attribute of another type":      {func(v map[string]any) { v["attrs"] = []any{3, "", 0, "name", 2, "cpus", 2} }, topology.ErrSchema},
		"more names than numbers":           {func(v map[string]any) { v["kinds"] = []any{1 << 40, ""} }, topology.ErrSyntax},
		"a claim of 2^40 nodes":             {func(v map[string]any) { v["counts"] = []any{1, 1 << 40, 1, 2, 2} }, topology.ErrSyntax},
		"a claim of 2^31 nodes":             {func(v map[string]any) { v["counts"] = []any{1, 1 << 31, 1, 2, 2} }, topology.ErrSyntax},
		"a claim of 2^31 nodes of one kind": {func(v map[string]any) { v["runs"] = []any{3, 2, 1, 1, 1 << 31, 3, 1} }, topology.ErrSyntax},
		"a claim of 2^31 facts":             {func(v map[string]any) { v["counts"] = []any{1, 3, 1, 1 << 31, 2} }, topology.ErrSyntax},
		"a claim of 2^31 edges":             {func(v map[string]any) { v["counts"] = []any{1, 3, 1, 2, 1 << 31} }, topology.ErrSyntax},
		"a row of 2^60 facts":               {func(v map[string]any) { v["facts1"] = []any{1 << 60} }, topology.ErrSyntax},
		"two readings of one key": {func(v map[string]any) {
			v["counts"], v["reading"] = []any{2, 3, 1, 2, 2}, []any{v["reading"], v["reading"]}
		}, topology.ErrSyntax},
		"kinds in the order of other numbers": {func(v map[string]any) { v["runs"] = []any{3, 1, 1, 2, 1, 3, 1} }, topology.ErrSyntax},
		"a node twice":                        {func(v map[string]any) { v["runs"], v["id2"] = []any{2, 2, 2, 3, 1}, []any{2, ""} }, topology.ErrSyntax},
		"a node that shares too much":         {func(v map[string]any) { v["runs"], v["id2"] = []any{2, 2, 2, 3, 1}, []any{4, "b"} }, topology.ErrSyntax},
		"a node that shares with nothing":     {func(v map[string]any) { v["id1"] = []any{2, "a"} }, topology.ErrSyntax},
		"a node that borrows from itself":     {func(v map[string]any) { v["id3"] = []any{1, 4, "/m"} }, topology.ErrSyntax},
		"a node that borrows from before":     {func(v map[string]any) { v["id3"] = []any{1, 1, "/m"} }, topology.ErrSyntax},
		"a tag that is none":                  {func(v map[string]any) { v["id3"] = []any{3, 2, "/m"} }, topology.ErrSyntax},
		"a node without an ID":                {func(v map[string]any) { v["id1"] = []any{0, ""} }, topology.ErrSyntax},
		"an ID that is not UTF-8":             {func(v map[string]any) { v["id1"] = []any{0, "\xff"} }, topology.ErrSyntax},
		"a text that is not there":            {func(v map[string]any) { v["facts2"] = []any{2, 0, 1, 200, 3, 2, 1, 2, 200, 3, 2} }, topology.ErrSyntax},
		"a text before the first":             {func(v map[string]any) { v["facts2"] = []any{2, 0, 1, 200, 3, 1, 1, 2, 200, 3, 2} }, topology.ErrSyntax},
		"a code that is not there":            {func(v map[string]any) { v["facts2"] = []any{2, 1, 1, 200, 3, 0, 1, 2, 200, 3, 2} }, topology.ErrSyntax},
		"flags that are none":                 {func(v map[string]any) { v["facts2"] = []any{2, 0, 1, 200, 4, 0, 1, 2, 200, 3, 2} }, topology.ErrSyntax},
		"a reading that is not there":         {func(v map[string]any) { v["facts2"] = []any{2, 0, 1, 200, 1, 2, 0, 1, 2, 200, 3, 2} }, topology.ErrSyntax},
		"a confidence of 101":                 {func(v map[string]any) { v["facts2"] = []any{2, 0, 1, 202, 3, 0, 1, 2, 200, 3, 2} }, topology.ErrSyntax},
		"a time after 2106":                   {func(v map[string]any) { v["facts2"] = []any{2, 0, 1, 200, 2, 1 << 40, 0, 1, 2, 200, 3, 2} }, topology.ErrSyntax},
		"a peer that is not there":            {func(v map[string]any) { v["edges2"] = []any{2, 0, 2, 200, 3, 6, 1, 1, 200, 3, 0} }, topology.ErrSyntax},
		"a word that is not there":            {func(v map[string]any) { v["reading"] = []any{1, 7, 1, 0, 1, 0, 0, 0} }, topology.ErrSyntax},
		"text that is not UTF-8":              {func(v map[string]any) { v["texts"] = []any{"\xff"} }, topology.ErrSyntax},
		"a text longer than its frame":        {func(v map[string]any) { v["texts"] = []any{1 << 50} }, topology.ErrSyntax},
		"a text too many":                     {func(v map[string]any) { v["texts"] = []any{"x", "y"} }, topology.ErrSyntax},
		"something after the end":             {func(v map[string]any) { v["beyond"] = []any{1} }, topology.ErrSyntax},
		"facts in the wrong order":            {func(v map[string]any) { v["facts2"] = []any{2, 0, 2, 200, 3, 2, 1, 1, 200, 3, 0} }, topology.ErrSyntax},
		"edges in the wrong order":            {func(v map[string]any) { v["edges2"] = []any{2, 0, 1, 200, 3, 0, 1, 2, 200, 3, 4} }, topology.ErrSyntax},
		"a bool that is neither":              {func(v map[string]any) { v["attrs"] = []any{3, "", 0, "name", 1, "readOnly", 3} }, topology.ErrSyntax},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := topology.ReadCheckpoint(bytes.NewReader(small(tc.change)))
			if !errors.Is(err, tc.want) {
				t.Errorf("error is %v, want %v", err, tc.want)
			}
		})
	}
	later := checkpoint(t, topology.Empty())
	later[7]++
	if _, err := topology.ReadCheckpoint(bytes.NewReader(later)); !errors.Is(err, topology.ErrSyntax) {
		t.Errorf("a later form: error is %v, want ErrSyntax", err)
	}
}
