/** The supercluster: links with the hubs of this region and of others. */
export { isConfinedToHub } from './confinement.ts'
export { PEER_LIMITS, type PeerLimits } from './limits.ts'
export type { PeerMeshOptions, PeerMeshPorts } from './mesh-options.ts'
export type { HubUrls } from './peer-card.ts'
export type { MovedLeaf } from './peer-hello.ts'
export type { PeerAccountFacts, PeerLinkFacts, PeerSubscriptionFacts } from './peer-link.ts'
export { PeerMesh } from './peer-mesh.ts'
