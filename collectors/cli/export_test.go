package cli

// HarmlessForm is a row of a list of statements that change nothing.
type HarmlessForm struct{ In, Form, Why string }

// HarmlessForms gives the lists of all dialects.
func HarmlessForms() map[string][]HarmlessForm {
	all := map[string][]HarmlessForm{}
	for name, platform := range dialects() {
		for _, list := range append(platform().statements, common()) {
			for _, s := range list {
				if s.do == nil {
					all[name] = append(all[name], HarmlessForm{string(s.in), s.form, s.why})
				}
			}
		}
	}
	return all
}
