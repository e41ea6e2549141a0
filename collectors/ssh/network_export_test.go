package ssh

// NetworkCommand is a command of the network stack in both forms.
type NetworkCommand struct{ Name, Line, Old string }

// NetworkCommands lists the commands of the network stack.
func NetworkCommands() []NetworkCommand {
	var all []NetworkCommand
	for _, t := range networkTables() {
		all = append(all, NetworkCommand{t.name, t.line, t.old})
	}
	return all
}
