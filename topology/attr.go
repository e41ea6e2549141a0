package topology

import (
	"fmt"
	"strconv"
)

// Attr is a property that a node may have. The table below gives each its type; the canonical names are what encodings, the
// stores and queries use.
type Attr uint8

// Attributes. A comment names the unit and where the word comes from, if the name does not say it.
const (
	_ Attr = iota

	// Any node.

	AttrName        // what people call it; never an identity
	AttrDescription // free words
	AttrState       // operational state in lower case: up, down, running, paused, shutoff, active, inactive ...
	AttrVendor
	AttrModel
	AttrSerial
	AttrUUID
	AttrVersion  // of the software that runs on it
	AttrLocation // sysLocation or rack position in words
	AttrAlias    // key under which another source knows the node

	// Devices.

	AttrHandle       // name in the inventory; several when it is listed twice
	AttrSysName      // sysName (RFC 3418)
	AttrSysObjectID  // sysObjectID (RFC 3418)
	AttrSysDescr     // sysDescr (RFC 3418)
	AttrChassisID    // lldpLocChassisId (IEEE 802.1AB), "subtype/value"
	AttrBridgeMAC    // dot1dBaseBridgeAddress (RFC 4188)
	AttrEngineID     // snmpEngineID (RFC 3411), hexadecimal
	AttrMgmtAddress  // address that answers for management
	AttrCapability   // LLDP system capability that is enabled
	AttrComponent    // hardware part (RFC 6933): "class name model serial"
	AttrBridgeID     // spanning tree bridge identifier (IEEE 802.1D)
	AttrRootBridgeID // designated root of the spanning tree
	AttrRootPort     // dot1dStpRootPort, a base port number

	// Interfaces.

	AttrIfIndex
	AttrIfName
	AttrIfDescr
	AttrIfAlias
	AttrIfType     // IANAifType number
	AttrMAC        // ifPhysAddress, NIC or vNIC address
	AttrMTU        // octets of the layer-3 payload (ifMtu)
	AttrSpeedBits  // bit/s (ifHighSpeed, else ifSpeed)
	AttrAdminState // ifAdminStatus: up, down, testing
	AttrAddress    // interface address with prefix length
	AttrARP        // neighbour cache entry: "IP MAC"
	AttrBasePort   // dot1dBasePort
	AttrPVID       // VLAN of untagged frames that arrive
	AttrTagged     // VLANs sent with a tag
	AttrUntagged   // VLANs sent without one
	AttrLearned    // forwarding database entries of the port
	AttrSTPState   // "VID state", VID 0 for the common tree: disabled, blocking, listening, learning, forwarding, broken
	AttrPortLimit  // isolated: passes nothing to other isolated ports of its bridge; locked: passes known addresses alone (bridge(8))
	AttrTPID       // of the tags that a port or VLAN interface puts on (IEEE 802.1Q 9.5), where they are not those of customers: 802.1ad
	AttrLLDPPortID // lldpLocPortId, "subtype/value"
	AttrPCIAddress // domain:bus:slot.function
	AttrDriver     // of a NIC, HBA or disk format driver
	AttrLinkMode   // of a NIC used directly: bridge, vepa, private, passthrough
	AttrUnnumbered // address whose prefix length the device did not give
	AttrQdisc      // queueing discipline that holds frames back: "kind handle options" (tc)
	AttrDuplex     // full, half

	// Tunnels (RFC 7348).

	AttrVNI         // VXLAN network identifier, 24 bits
	AttrVTEP        // local tunnel endpoint address
	AttrTunnelEntry // where a VTEP sends an address: "MAC VTEP", MAC 00:00:00:00:00:00 for what is flooded

	// Link aggregation (IEEE 802.1AX).

	AttrActorSystemID   // dot3adAggActorSystemID
	AttrActorKey        // dot3adAggActorOperKey
	AttrPartnerSystemID // dot3adAggPartnerSystemID
	AttrPartnerKey      // dot3adAggPartnerOperKey
	AttrDistributed     // ends on two systems (DRNI)
	AttrLAGMode         // 802.3ad, active-backup, balance-xor, balance-slb ...

	// VLAN, subnet, VRF, route, network.

	AttrVID
	AttrPrefix
	AttrNextHop
	AttrProtocol // routing protocol; neighbour protocol; storage protocol
	AttrMetric
	AttrForwardMode // libvirt network: nat, route, bridge, private, vepa, passthrough, hostdev, open, isolated; virtual switch: vlans, openflow (they decide), unknown
	AttrBridge      // name of the bridge that a vNIC or network names
	AttrVirtualPort // libvirt virtualport type
	AttrForwarding  // the device forwards packets: "ipv4", "ipv6" (ipForwarding, RFC 4293), or does not: "ipv4 off"; an interface: what comes in by it, where that differs
	AttrBridgeCalls // bridged frames meet the filters of routed packets: "ipv4", "ipv6", "vlan" (tagged ones, too), or do not: "ipv4 off"; "none": no module does it (br_netfilter)
	AttrPolicyRule  // which routing table is asked: "priority selector table" (RFC 1104 policy routing, ip rule)

	// Neighbours (IEEE 802.1AB; CDP uses the same attributes).

	AttrNeighborChassis  // "subtype/value"
	AttrNeighborPort     // "subtype/value"
	AttrNeighborPortDesc // lldpRemPortDesc
	AttrPlatform         // cdpCachePlatform
	AttrTTL              // s

	// Hosts and VMs.

	AttrArch
	AttrHypervisor // kind of hypervisor: QEMU, KVM, test ...
	AttrHypervisorVersion
	AttrCPUModel
	AttrCPUVendor
	AttrCPUMode
	AttrCPUFeature
	AttrCPUs    // logical processors of a host, vCPUs of a VM
	AttrSockets // CPU sockets
	AttrCores   // per socket
	AttrThreads // per core
	AttrMemoryBytes
	AttrMaxMemoryBytes
	AttrHugePageBytes // size of huge pages that a VM asks for or a host offers
	AttrNUMACell      // "id: memory bytes, cpus"
	AttrMachine       // emulated machine type
	AttrOSType
	AttrEmulator
	AttrAutostart
	AttrPersistent
	AttrHostDevice // passed-through device: "subsystem address"
	AttrDeviceName // name inside the VM or host: vda, vnet3
	AttrDeviceType // disk, cdrom, floppy, lun; NIC model
	AttrBus
	AttrSourceType  // file, block, dir, network, volume; bridge, network, direct ...
	AttrSource      // path, bridge, network or protocol name as configured
	AttrSourceHost  // "host:port" that serves it
	AttrFormat      // raw, qcow2 ...
	AttrCache       // cache mode of a disk
	AttrIOMode      // native, threads, io_uring
	AttrReadOnly    // the guest may not write
	AttrShareable   // several VMs may write
	AttrTransient   // changes are thrown away
	AttrBootOrder   // 1 boots first
	AttrFilterRef   // nwfilter of a vNIC
	AttrPortGroup   // named by a vNIC
	AttrInterfaceID // Open vSwitch or 802.1Qbg identifier of the attachment
	AttrProfileID   // port profile that the switch applies: Open vSwitch or 802.1Qbh
	// AttrStateReason is why a VM is in its state, in the words of libvirt's status files (virDomainGetState): booted, user, ioerror, postcopy-failed ...
	AttrStateReason
	// AttrJob is what is being done with a VM (virDomainGetJobStats: none, migration-out, save, dump, backup, snapshot ...), or with the image of a disk
	// (virDomainGetBlockJobInfo, <mirror>: none, pull, copy, commit, active-commit, backup).
	AttrJob
	AttrCPUPin       // processors of the host that a vCPU may run on: "VCPU LIST" (<vcpu cpuset>, <vcpupin>)
	AttrNUMATune     // cells of the host that memory of a VM comes from: "memory MODE LIST", "cell N MODE LIST", "pages SIZE LIST" (<numatune>, <hugepages>)
	AttrHugePages    // pages that a host has set aside: "CELL BYTES NUMBER" (capabilities)
	AttrHugePageFree // of those, what nobody has: "CELL BYTES NUMBER" (virNodeGetFreePages)
	AttrMemorySource // of a VM's memory, or what a host offers for it: anonymous, file, memfd (<memoryBacking>, domainCapabilities)
	AttrManager      // of a VM: what else than libvirt says where it runs: nova, ovirt, kubevirt (<metadata>)
	// AttrLocalDevice is what of a VM lives in its host, or in a program that does not move with it: "serial file PATH", "parallel dev PATH", "input PATH",
	// "video virgl", "clipboard", "memory nvdimm PATH" (<devices>).
	AttrLocalDevice
	// AttrConsole is where the hypervisor listens for who wants to see or type on a VM's console: "vnc ADDRESS", or "spice network NAME" (<graphics>, <listen>).
	AttrConsole
	AttrTeaming // of a vNIC that the guest pairs with another one (VIRTIO_NET_F_STANDBY): "persistent", or "transient NAME" of one that is unplugged for a move (<teaming>)

	// Storage.

	AttrPath // file or device path
	AttrPoolType
	AttrSourceDevice
	AttrSourceDir
	AttrCapacityBytes
	AttrAllocationBytes
	AttrAvailableBytes
	AttrBackingPath // of a volume over another
	AttrWWPN
	AttrWWNN
	AttrFabricWWN
	AttrNPortID // 24-bit address, 0x010200
	AttrIQN     // of a target port, in lower case; of an initiator port, as each source writes it (RFC 3722 folds case, and some arrays do not)
	AttrNQN
	AttrPortal     // "address:port,tag" (RFC 7143 network portal and portal group tag)
	AttrDesignator // VPD page 83h
	AttrLUN
	AttrAccessState // asymmetric access state (SPC)
	// AttrPathState is one path of a host to the unit: "HOST-HANDLE H:C:T:L device dm-state checker-state" (multipath), or
	// "HOST-HANDLE H:C:T:L device session-state disk-state TARGET" (iSCSI; "LOGGED_IN running" works, "unknown" is not known).
	AttrPathState
	AttrZoneMember // as written in the zone
	AttrVFID
	AttrInitiatorAddress // of a mapping: addresses whose initiators it admits, whatever their name; 0.0.0.0/0 and ::/0 for all
	AttrSessionFrom      // of an initiator port, as an array sees its sessions: "TARGET-IQN ADDRESS" (RFC 7143 connection)
	AttrSessionTo        // of a host, as its kernel lists its connections to iSCSI's own ports: "ADDRESS PORTAL-ADDRESS:PORT NUMBER"
	AttrSessions         // how many sessions were listed: of a target, by its array, at all of its portals; of a host, how many connections to iSCSI's own ports
	AttrInitiatorName    // of a mapping: names that it admits as the array has them, where it tells upper from lower case

	// Policy.

	AttrDialect // grammar a filter is written in: iptables-save, nft-json, nwfilter ...
	AttrText    // whole text of a filter
	AttrDigest  // SHA-256, hexadecimal
	AttrRules   // a filter in the words of package policy: policy.Filter.Encode
	// AttrNetworkFilter is a network filter that libvirt of a host has defined: "NAME DIGEST INCLUDED…", the SHA-256 of what it does, hexadecimal, and the filters
	// that it refers to (virNWFilterGetXMLDesc).
	AttrNetworkFilter
	// AttrUnparsed is a line of the configuration that bears on the node and that nobody understood: "FILE:LINE: TEXT". What it does is not known.
	AttrUnparsed

	// AttrVirtualAddress is an address that an interface answers to while it is the active one of those that share it (HSRP, VRRP RFC 9568, GLBP, anycast gateway).
	AttrVirtualAddress

	// Processors and what ties a guest to them (libvirt: capabilities, domainCapabilities, domain).

	AttrModelFeatures // of a host: what a CPU model that a guest of its has stands for there: "MODEL: FEATURE …" (virConnectBaselineCPU)
	AttrGuestFeature  // of a host: CPU feature that its hypervisor gives guests, whatever its processors have (domainCapabilities, host-model)
	AttrCPURevision   // of a host's processors: "family N model N stepping N microcode N"
	AttrMachines      // of a host: machine types that it emulates, aliases by what they stand for: "ARCH: pc-q35-7.2 q35=pc-q35-7.2 …"
	AttrTSCHz         // of a host: frequency of its time stamp counter; of a VM: the one that it was promised
	AttrTSCScaling    // of a host: its processors can show guests another frequency
	AttrNested        // of a host: its guests may have guests (parameter nested of kvm_intel, kvm_amd)
	AttrTrust         // of a VM: what it shares with the hardware and nobody else: "launchSecurity sev", "tpm emulator", "tpm emulator encrypted UUID"
	AttrCPUMatch      // of a VM, where it is not exact: strict, its host's processors must not have more than it asks for; minimum
	AttrTPMBackend    // of a host: what it can put behind a guest's TPM: emulator (swtpm), passthrough, external

	// Storage of a VM, by libvirt.

	AttrSnapshots     // the VM has snapshots that the hypervisor keeps (virDomainListAllSnapshots)
	AttrReservations  // SCSI persistent reservations of the guest pass to the unit: "managed", or the socket of the helper (formatdomain: reservations)
	AttrStartupPolicy // what becomes of a drive whose medium is missing: mandatory, requisite, optional (formatdomain: startupPolicy)
	AttrLease         // of a VM: "LOCKSPACE KEY PATH" of a lease that it holds while it runs (formatdomain: lease)
	AttrHostShare     // of a VM: a folder that it shares with its host: "DRIVER SOURCE TARGET" (formatdomain: filesystem)
	// AttrMount is what a host has mounted that holds files: "TYPE SOURCE FOLDER OPTION…", blanks as \040 (proc_pid_mountinfo(5)). Of the options there are
	// root=FOLDER where a folder of the file system is mounted and not all of it, ro, and those that tell which one it is and how it is locked: vers=, addr=,
	// local_lock=, nolock (nfs(5)), fs=, mds_namespace=, mon_addr= (mount.ceph(8)).
	AttrMount
	// AttrQueueing is what multipath does with commands to the unit on one host: "HOST-HANDLE features='…' hwhandler='…' policy='…'" (multipath -ll).
	AttrQueueing
	// AttrSecret is a secret that libvirt of a host has, never its value: "UUID", "UUID TYPE ID" with what it is for (virSecretGetXMLDesc: usage). Of a disk it is one
	// with which its images are opened: "uuid UUID", or "TYPE ID" (formatdomain: auth, encryption).
	AttrSecret

	attrEnd
)

type attrSpec struct {
	name       string
	typ        ValueType
	multi      bool // a node may have several values at once: they do not conflict
	identifies bool // two nodes of one kind with the same value deserve a look
}

var attrs = [attrEnd]attrSpec{ //nolint:gochecknoglobals // read-only table
	AttrName: {name: "name", typ: TypeText}, AttrDescription: {name: "description", typ: TypeText},
	AttrState: {name: "state", typ: TypeText}, AttrVendor: {name: "vendor", typ: TypeText},
	AttrModel: {name: "model", typ: TypeText}, AttrSerial: {name: "serial", typ: TypeText},
	AttrUUID: {name: "uuid", typ: TypeText, identifies: true}, AttrVersion: {name: "version", typ: TypeText},
	AttrLocation: {name: "location", typ: TypeText}, AttrAlias: {name: "alias", typ: TypeText, multi: true},

	AttrHandle: {name: "handle", typ: TypeText, multi: true}, AttrSysName: {name: "sysName", typ: TypeText},
	AttrSysObjectID: {name: "sysObjectID", typ: TypeText}, AttrSysDescr: {name: "sysDescr", typ: TypeText},
	AttrChassisID:   {name: "chassisID", typ: TypeText, identifies: true},
	AttrBridgeMAC:   {name: "bridgeMAC", typ: TypeMAC, identifies: true},
	AttrEngineID:    {name: "engineID", typ: TypeText, identifies: true},
	AttrMgmtAddress: {name: "mgmtAddress", typ: TypeAddr, multi: true},
	AttrCapability:  {name: "capability", typ: TypeText, multi: true},
	AttrComponent:   {name: "component", typ: TypeText, multi: true},
	AttrBridgeID:    {name: "bridgeID", typ: TypeText}, AttrRootBridgeID: {name: "rootBridgeID", typ: TypeText},
	AttrRootPort: {name: "rootPort", typ: TypeInt},

	AttrIfIndex: {name: "ifIndex", typ: TypeInt}, AttrIfName: {name: "ifName", typ: TypeText},
	AttrIfDescr: {name: "ifDescr", typ: TypeText}, AttrIfAlias: {name: "ifAlias", typ: TypeText},
	AttrIfType: {name: "ifType", typ: TypeInt}, AttrMAC: {name: "mac", typ: TypeMAC},
	AttrMTU: {name: "mtu", typ: TypeInt}, AttrSpeedBits: {name: "speedBits", typ: TypeInt},
	AttrAdminState: {name: "adminState", typ: TypeText},
	AttrAddress:    {name: "address", typ: TypePrefix, multi: true},
	AttrARP:        {name: "arp", typ: TypeText, multi: true}, AttrBasePort: {name: "basePort", typ: TypeInt},
	AttrPVID: {name: "pvid", typ: TypeInt}, AttrTagged: {name: "tagged", typ: TypeVIDs},
	AttrUntagged: {name: "untagged", typ: TypeVIDs}, AttrLearned: {name: "learned", typ: TypeFDB, multi: true},
	AttrSTPState:   {name: "stpState", typ: TypeText, multi: true},
	AttrPortLimit:  {name: "portLimit", typ: TypeText, multi: true},
	AttrTPID:       {name: "tpid", typ: TypeText},
	AttrLLDPPortID: {name: "lldpPortID", typ: TypeText}, AttrPCIAddress: {name: "pciAddress", typ: TypeText},
	AttrDriver: {name: "driver", typ: TypeText}, AttrLinkMode: {name: "linkMode", typ: TypeText},
	AttrUnnumbered: {name: "addressWithoutPrefix", typ: TypeAddr, multi: true},
	AttrQdisc:      {name: "qdisc", typ: TypeText, multi: true}, AttrDuplex: {name: "duplex", typ: TypeText},

	AttrVNI: {name: "vni", typ: TypeInt}, AttrVTEP: {name: "vtep", typ: TypeAddr},
	AttrTunnelEntry: {name: "tunnelEntry", typ: TypeText, multi: true},

	AttrActorSystemID: {name: "actorSystemID", typ: TypeMAC}, AttrActorKey: {name: "actorKey", typ: TypeInt},
	AttrPartnerSystemID: {name: "partnerSystemID", typ: TypeMAC}, AttrPartnerKey: {name: "partnerKey", typ: TypeInt},
	AttrDistributed: {name: "distributed", typ: TypeBool}, AttrLAGMode: {name: "lagMode", typ: TypeText},

	AttrVID: {name: "vid", typ: TypeInt}, AttrPrefix: {name: "prefix", typ: TypePrefix},
	AttrNextHop: {name: "nextHop", typ: TypeAddr}, AttrProtocol: {name: "protocol", typ: TypeText},
	AttrMetric: {name: "metric", typ: TypeInt}, AttrForwardMode: {name: "forwardMode", typ: TypeText},
	AttrBridge: {name: "bridge", typ: TypeText}, AttrVirtualPort: {name: "virtualPort", typ: TypeText},
	AttrForwarding:  {name: "forwarding", typ: TypeText, multi: true},
	AttrBridgeCalls: {name: "bridgeCalls", typ: TypeText, multi: true},
	AttrPolicyRule:  {name: "policyRule", typ: TypeText, multi: true},

	AttrNeighborChassis: {name: "neighborChassis", typ: TypeText}, AttrNeighborPort: {name: "neighborPort", typ: TypeText},
	AttrNeighborPortDesc: {name: "neighborPortDesc", typ: TypeText}, AttrPlatform: {name: "platform", typ: TypeText},
	AttrTTL: {name: "ttl", typ: TypeInt},

	AttrArch: {name: "arch", typ: TypeText}, AttrHypervisor: {name: "hypervisor", typ: TypeText},
	AttrHypervisorVersion: {name: "hypervisorVersion", typ: TypeText}, AttrCPUModel: {name: "cpuModel", typ: TypeText},
	AttrCPUVendor: {name: "cpuVendor", typ: TypeText}, AttrCPUMode: {name: "cpuMode", typ: TypeText},
	AttrCPUFeature: {name: "cpuFeature", typ: TypeText, multi: true}, AttrCPUs: {name: "cpus", typ: TypeInt},
	AttrSockets: {name: "sockets", typ: TypeInt}, AttrCores: {name: "cores", typ: TypeInt},
	AttrThreads: {name: "threads", typ: TypeInt}, AttrMemoryBytes: {name: "memoryBytes", typ: TypeInt},
	AttrMaxMemoryBytes: {name: "maxMemoryBytes", typ: TypeInt},
	AttrHugePageBytes:  {name: "hugePageBytes", typ: TypeInt, multi: true},
	AttrNUMACell:       {name: "numaCell", typ: TypeText, multi: true}, AttrMachine: {name: "machine", typ: TypeText},
	AttrOSType: {name: "osType", typ: TypeText}, AttrEmulator: {name: "emulator", typ: TypeText},
	AttrAutostart: {name: "autostart", typ: TypeBool}, AttrPersistent: {name: "persistent", typ: TypeBool},
	AttrHostDevice: {name: "hostDevice", typ: TypeText, multi: true}, AttrDeviceName: {name: "deviceName", typ: TypeText},
	AttrDeviceType: {name: "deviceType", typ: TypeText}, AttrBus: {name: "bus", typ: TypeText},
	AttrSourceType: {name: "sourceType", typ: TypeText}, AttrSource: {name: "source", typ: TypeText},
	AttrSourceHost: {name: "sourceHost", typ: TypeText, multi: true}, AttrFormat: {name: "format", typ: TypeText},
	AttrCache: {name: "cache", typ: TypeText}, AttrIOMode: {name: "ioMode", typ: TypeText},
	AttrReadOnly: {name: "readOnly", typ: TypeBool}, AttrShareable: {name: "shareable", typ: TypeBool},
	AttrTransient: {name: "transient", typ: TypeBool}, AttrBootOrder: {name: "bootOrder", typ: TypeInt},
	AttrFilterRef: {name: "filterRef", typ: TypeText}, AttrPortGroup: {name: "portGroup", typ: TypeText},
	AttrInterfaceID: {name: "interfaceID", typ: TypeText}, AttrProfileID: {name: "profileID", typ: TypeText},
	AttrStateReason: {name: "stateReason", typ: TypeText}, AttrJob: {name: "job", typ: TypeText},
	AttrCPUPin: {name: "cpuPin", typ: TypeText, multi: true}, AttrNUMATune: {name: "numaTune", typ: TypeText, multi: true},
	AttrHugePages: {name: "hugePages", typ: TypeText, multi: true}, AttrHugePageFree: {name: "hugePageFree", typ: TypeText, multi: true},
	AttrMemorySource: {name: "memorySource", typ: TypeText, multi: true}, AttrLocalDevice: {name: "localDevice", typ: TypeText, multi: true}, AttrManager: {name: "manager", typ: TypeText, multi: true},
	AttrConsole: {name: "console", typ: TypeText, multi: true}, AttrTeaming: {name: "teaming", typ: TypeText},

	AttrPath: {name: "path", typ: TypeText}, AttrPoolType: {name: "poolType", typ: TypeText},
	AttrSourceDevice: {name: "sourceDevice", typ: TypeText, multi: true},
	AttrSourceDir:    {name: "sourceDir", typ: TypeText}, AttrCapacityBytes: {name: "capacityBytes", typ: TypeInt},
	AttrAllocationBytes: {name: "allocationBytes", typ: TypeInt}, AttrAvailableBytes: {name: "availableBytes", typ: TypeInt},
	AttrBackingPath: {name: "backingPath", typ: TypeText}, AttrWWPN: {name: "wwpn", typ: TypeWWN, identifies: true},
	AttrWWNN: {name: "wwnn", typ: TypeWWN}, AttrFabricWWN: {name: "fabricWWN", typ: TypeWWN},
	AttrNPortID: {name: "nPortID", typ: TypeText}, AttrIQN: {name: "iqn", typ: TypeText},
	AttrNQN: {name: "nqn", typ: TypeText}, AttrPortal: {name: "portal", typ: TypeText, multi: true},
	AttrDesignator: {name: "designator", typ: TypeText, identifies: true}, AttrLUN: {name: "lun", typ: TypeInt},
	AttrAccessState: {name: "accessState", typ: TypeText},
	AttrPathState:   {name: "pathState", typ: TypeText, multi: true},
	AttrZoneMember:  {name: "zoneMember", typ: TypeText, multi: true}, AttrVFID: {name: "vfID", typ: TypeInt},
	AttrInitiatorAddress: {name: "initiatorAddress", typ: TypePrefix, multi: true},
	AttrSessionFrom:      {name: "sessionFrom", typ: TypeText, multi: true},
	AttrSessionTo:        {name: "sessionTo", typ: TypeText, multi: true},
	AttrSessions:         {name: "sessions", typ: TypeInt},
	AttrInitiatorName:    {name: "initiatorName", typ: TypeText, multi: true},

	AttrDialect: {name: "dialect", typ: TypeText}, AttrText: {name: "text", typ: TypeText},
	AttrDigest: {name: "digest", typ: TypeText}, AttrRules: {name: "rules", typ: TypeText}, AttrNetworkFilter: {name: "networkFilter", typ: TypeText, multi: true}, AttrUnparsed: {name: "unparsed", typ: TypeText, multi: true},
	AttrVirtualAddress: {name: "virtualAddress", typ: TypeAddr, multi: true},

	AttrModelFeatures: {name: "modelFeatures", typ: TypeText, multi: true}, AttrGuestFeature: {name: "guestFeature", typ: TypeText, multi: true},
	AttrCPURevision: {name: "cpuRevision", typ: TypeText}, AttrMachines: {name: "machines", typ: TypeText, multi: true},
	AttrTSCHz: {name: "tscHz", typ: TypeInt}, AttrTSCScaling: {name: "tscScaling", typ: TypeBool}, AttrNested: {name: "nested", typ: TypeBool},
	AttrTrust: {name: "trust", typ: TypeText, multi: true}, AttrCPUMatch: {name: "cpuMatch", typ: TypeText}, AttrTPMBackend: {name: "tpmBackend", typ: TypeText, multi: true},

	AttrSnapshots: {name: "snapshots", typ: TypeBool}, AttrReservations: {name: "reservations", typ: TypeText},
	AttrStartupPolicy: {name: "startupPolicy", typ: TypeText}, AttrLease: {name: "lease", typ: TypeText, multi: true},
	AttrHostShare: {name: "hostShare", typ: TypeText, multi: true}, AttrMount: {name: "mount", typ: TypeText, multi: true},
	AttrQueueing: {name: "queueing", typ: TypeText, multi: true}, AttrSecret: {name: "secret", typ: TypeText, multi: true},
}

// String gives the canonical name.
func (a Attr) String() string {
	if a == 0 || a >= attrEnd {
		return "attr(" + strconv.Itoa(int(a)) + ")"
	}
	return attrs[a].name
}

// ParseAttr is the inverse of String.
func ParseAttr(text string) (Attr, error) {
	for a := Attr(1); a < attrEnd; a++ {
		if attrs[a].name == text {
			return a, nil
		}
	}
	return 0, syntaxError("attribute", text, "no such attribute")
}

// Attrs lists all attributes in their order.
func Attrs() []Attr {
	as := make([]Attr, 0, attrEnd-1)
	for a := Attr(1); a < attrEnd; a++ {
		as = append(as, a)
	}
	return as
}

// Type gives the type of the attribute's values.
func (a Attr) Type() ValueType { return attrs[a].typ }

// Multi reports whether a node may have several values of the attribute at once.
func (a Attr) Multi() bool { return attrs[a].multi }

// Identifies reports whether two nodes of one kind should not share a value.
func (a Attr) Identifies() bool { return attrs[a].identifies }

func (a Attr) check(v Value) error {
	if a == 0 || a >= attrEnd {
		return fmt.Errorf("%w: attribute %d", ErrSchema, a)
	}
	if v.typ != attrs[a].typ {
		return fmt.Errorf("%w: %s holds type %d, not %d", ErrSchema, a, attrs[a].typ, v.typ)
	}
	if !v.canonical() {
		return fmt.Errorf("%w: %s of %q cannot be read back", ErrSchema, a, v)
	}
	return nil
}
