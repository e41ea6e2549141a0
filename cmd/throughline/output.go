package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/goccy/go-yaml"
	"github.com/jedib0t/go-pretty/v6/table"
	"golang.org/x/term"
)

// print writes v as JSON or YAML, or calls text for the form that people read.
func (a *app) print(v any, text func(io.Writer) error) error {
	if a.output == "table" {
		var b bytes.Buffer
		if err := text(&b); err != nil {
			return err
		}
		_, err := a.out.Write(b.Bytes())
		return err
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return err
	}
	if a.output == "yaml" {
		y, err := yaml.JSONToYAML(b.Bytes())
		if err != nil {
			return fmt.Errorf("yaml: %w", err)
		}
		_, err = a.out.Write(y)
		return err
	}
	_, err := a.out.Write(b.Bytes())
	return err
}

// printTable writes rows under a head, in the plainest form: columns and blanks, fit for a narrow terminal and for grep.
func printTable(w io.Writer, head []string, rows [][]string) {
	t := table.NewWriter()
	t.SetOutputMirror(w)
	style := table.StyleDefault
	style.Options, style.Format = table.Options{}, table.FormatOptions{}
	style.Box.PaddingLeft, style.Box.PaddingRight = "", "  "
	t.SetStyle(style)
	t.AppendHeader(asRow(head))
	for _, r := range rows {
		t.AppendRow(asRow(r))
	}
	t.SuppressTrailingSpaces()
	t.Render()
}

func asRow(cells []string) table.Row {
	r := make(table.Row, len(cells))
	for i, c := range cells {
		r[i] = printable(c)
	}
	return r
}

// printable makes a device's words harmless on a terminal: control characters, and those that turn the writing direction, are escaped.
func printable(s string) string {
	hostile := func(r rune) bool {
		return !unicode.IsPrint(r) && r != '\n' || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069
	}
	if !strings.ContainsFunc(s, hostile) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if hostile(r) {
			q := strconv.QuoteRuneToASCII(r)
			b.WriteString(q[1 : len(q)-1])
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// age words how long ago something was.
func age(d time.Duration) string {
	switch {
	case d < 0:
		return "in the future"
	case d < time.Second:
		return "0s"
	case d < time.Minute:
		return strconv.Itoa(int(d.Seconds())) + "s"
	case d < time.Hour:
		return strconv.Itoa(int(d.Minutes())) + "m"
	case d < 48*time.Hour:
		return strconv.Itoa(int(d.Hours())) + "h"
	}
	return strconv.Itoa(int(d.Hours()/24)) + "d"
}

// bits words a speed.
func bits(n int64) string { return scaled(n, 1000, []string{"", "k", "M", "G", "T"}) + "bit/s" }

// octets words a size.
func octets(n int64) string { return scaled(n, 1024, []string{"", "Ki", "Mi", "Gi", "Ti", "Pi"}) + "B" }

func scaled(n, by int64, units []string) string {
	i := 0
	for ; i < len(units)-1 && n >= by && n%by == 0; i++ {
		n /= by
	}
	return strconv.FormatInt(n, 10) + " " + units[i]
}

func columnsOf(f *os.File) int {
	fd := int(f.Fd())
	if !term.IsTerminal(fd) {
		return 0
	}
	w, _, err := term.GetSize(fd)
	if err != nil {
		return 80
	}
	return w
}
