/** The protocol level of CONNECT: MQTT 3.1, 3.1.1 and 5. */
export type Level = 3 | 4 | 5

export const LEVEL = { v31: 3, v311: 4, v5: 5 } as const

/** Who sent a packet: some properties and reason codes are for one of the two only. */
export type Side = 'client' | 'server'
