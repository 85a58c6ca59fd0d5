/** Who a leaf is, as it tells its hub. */
export interface LeafIdentity {
  readonly name: string
  /** The server's id, from its store directory. */
  readonly id: string
  /** New at each start. */
  readonly boot: string
  readonly version: string
  /** '' when not configured. */
  readonly region: string
}
