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
	"unicode/utf16"

	"github.com/goccy/go-yaml"
	"github.com/jedib0t/go-pretty/v6/table"
	"golang.org/x/term"

	"github.com/throughline-dc/throughline/internal/report"
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
		var doc any
		err := yaml.UnmarshalWithOptions(b.Bytes(), &doc, yaml.UseOrderedMap())
		if err != nil {
			return fmt.Errorf("yaml: %w", err)
		}
		y, err := yaml.MarshalWithOptions(doc, yaml.CustomMarshaler[string](yamlText))
		if err != nil {
			return fmt.Errorf("yaml: %w", err)
		}
		_, err = a.out.Write(y)
		return err
	}
	_, err := a.out.Write(harmless(b.Bytes()))
	return err
}

// harmless writes as \u escapes what JSON lets stand in its texts but a terminal obeys.
func harmless(doc []byte) []byte {
	if !bytes.ContainsFunc(doc, hostile) {
		return doc
	}
	var b bytes.Buffer
	for _, r := range string(doc) {
		if !hostile(r) || r == '\n' { // between texts: in them it is escaped
			b.WriteRune(r)
			continue
		}
		for _, unit := range utf16.Encode([]rune{r}) {
			fmt.Fprintf(&b, `\u%04x`, unit)
		}
	}
	return b.Bytes()
}

// yamlText writes a text that a terminal would obey in JSON's form, which is YAML too; the others as YAML likes them.
func yamlText(s string) ([]byte, error) {
	if !strings.ContainsFunc(s, hostile) {
		return yaml.Marshal(s)
	}
	doc, err := json.Marshal(s)
	return harmless(doc), err
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

func hostile(r rune) bool { return report.Hostile(r) }

// printableLines is printable for a text of several lines of our own.
func printableLines(s string) string {
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		lines[i] = printable(l)
	}
	return strings.Join(lines, "\n")
}

// printable makes a device's words harmless on a terminal.
func printable(s string) string { return report.Printable(s) }

// age words how long ago something was.
func age(d time.Duration) string { return report.Age(d) }

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
