/**
 * Packet identifiers of the QoS 2 publishes that have come by one connection and are not released yet: a
 * PUBLISH with one of them is a repetition and is not routed again [MQTT-4.3.3-10]. What a durable session
 * knows of earlier connections it keeps itself.
 */
export class OpenReceipts {
  /** Made with the first one: most devices never send at QoS 2. */
  #ids: Set<number> | undefined

  get size(): number {
    return this.#ids?.size ?? 0
  }

  has(packetId: number): boolean {
    return this.#ids?.has(packetId) === true
  }

  add(packetId: number): void {
    this.#ids ??= new Set()
    this.#ids.add(packetId)
  }

  /** False when it is not one of them. */
  delete(packetId: number): boolean {
    return this.#ids?.delete(packetId) === true
  }
}
