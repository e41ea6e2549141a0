package planner_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/throughline-dc/throughline/planner"
	"github.com/throughline-dc/throughline/topology"
)

func TestMatrix(t *testing.T) {
	t.Parallel()
	lines := site("a 32: v 8, w 4", "b 12", "c 6", "d 32") + "vm:x name=x\nvm:x state=shutoff\nvm:x memoryBytes=1\nvm:x cpus=1\nvm:x hypervisor=kvm"
	lines = strings.Replace(lines, "host:d memoryBytes=32536870912\n", "", 1)
	p := planner.New(stated(t, lines), only("CAP-1", "HOST-4"), noon.Add(time.Minute))
	rows := 0
	m, err := p.Matrix(t.Context(), planner.MatrixOptions{VMs: planner.Selector{"v", "w"}, Mend: true, Progress: func(done, total int) {
		if rows++; done != rows || total != 2 {
			t.Errorf("%d of %d, want %d of 2", done, total, rows)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range m.Cells {
		got = append(got, fmt.Sprintf("%s %s %s %v %d", c.VM.ID, c.Host.ID, c.Verdict, c.Codes, c.Changes))
	}
	want := "v b pass [] 0\nw b pass [] 0\nw c pass [] 0\nv d unknown [CAP-1] -1\nw d unknown [CAP-1] -1\nv c block [CAP-1] -1"
	if strings.Join(got, "\n") != want || rows != 2 || len(m.Skipped) == 0 {
		t.Errorf("%d rows, %d skipped:\n%s\nwant\n%s", rows, len(m.Skipped), strings.Join(got, "\n"), want)
	}
	if m, err = p.Matrix(t.Context(), planner.MatrixOptions{VMs: planner.Selector{"x"}, Hosts: planner.Selector{"[ab]"}}); err != nil || len(m.Cells) != 2 {
		t.Errorf("a VM that runs nowhere: %v, %v", m, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Matrix(ctx, planner.MatrixOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if m, err := planner.New(topology.Empty(), planner.Policy{}, noon).Matrix(t.Context(), planner.MatrixOptions{}); err != nil || len(m.Cells) != 0 {
		t.Errorf("of nothing: %v, %v", m, err)
	}
}
