package filter_test

import (
	"slices"
	"testing"

	"github.com/throughline-dc/throughline/collectors/filter"
)

// Definitions that do the same have one digest; whatever bears on packets makes another.
func TestNWFilter_Digest(t *testing.T) {
	t.Parallel()
	digest := func(text string) string {
		f, err := filter.ParseNWFilter("xml", []byte(text))
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		return f.Digest()
	}
	const web = `<filter name='web'><filterref filter='own'><parameter name='IP' value='192.0.2.7'/></filterref>` +
		`<rule action='accept' direction='in' priority='100'><tcp dstportstart='443' srcipaddr='192.0.2.0'/></rule><rule action='drop' direction='in'><all/></rule></filter>`
	was := digest(web)
	for _, same := range []string{
		`<filter name='web' chain='root'><uuid>5d2b1a0e-7b4f-4c52-9a43-1f3a0d6c7e11</uuid>  <filterref filter='own'><parameter name='IP' value='192.0.2.7'/></filterref>` +
			"\n" + `<rule action='accept' direction='in' priority='100'><tcp comment='tls' srcipaddr='192.0.2.0' dstportstart='443'/></rule><rule action='drop' direction='in' priority='500'><all/></rule></filter>`,
	} {
		if digest(same) != was {
			t.Errorf("%s is another filter", same)
		}
	}
	seen := []string{was}
	for _, other := range []string{
		`<filter name='web'/>`,
		`<filter name='web' chain='ipv4'/>`,
		`<filter name='web' priority='5'/>`,
		`<filter name='web'><filterref filter='own'/></filter>`,
		`<filter name='web'><filterref filter='other'/></filter>`,
		`<filter name='web'><filterref filter='own'><parameter name='IP' value='192.0.2.8'/></filterref></filter>`,
		`<filter name='web'><rule action='accept' direction='in'><all/></rule></filter>`,
		`<filter name='web'><rule action='drop' direction='in'><all/></rule></filter>`,
		`<filter name='web'><rule action='drop' direction='out'><all/></rule></filter>`,
		`<filter name='web'><rule action='drop' direction='out' statematch='0'><all/></rule></filter>`,
		`<filter name='web'><rule action='drop' direction='out' priority='1'><all/></rule></filter>`,
		`<filter name='web'><rule action='drop' direction='out'><tcp/></rule></filter>`,
		`<filter name='web'><rule action='drop' direction='out'><tcp dstportstart='1'/></rule></filter>`,
		`<filter name='web'><rule action='drop' direction='out'><tcp dstportend='1'/></rule></filter>`,
		`<filter name='web'><rule action='drop' direction='out'><tcp/><udp/></rule></filter>`,
		`<filter name='web'><new/></filter>`,
		`<filter name='web'><rule action='drop' direction='out'><tcp/></rule><rule action='drop' direction='in'><all/></rule></filter>`,
		`<filter name='web'><rule action='drop' direction='in'><all/></rule><rule action='drop' direction='out'><tcp/></rule></filter>`,
	} {
		d := digest(other)
		if slices.Contains(seen, d) {
			t.Errorf("%s is the same as another one", other)
		}
		seen = append(seen, d)
	}
}
