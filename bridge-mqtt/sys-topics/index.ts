/** The topics under `$SYS/broker` that dashboards for MQTT brokers show. */
export { FigureBook, type KeptFigures } from './figure-book.ts'
export { SYS_PREFIX } from './figures.ts'
export { LoadAverages } from './load-averages.ts'
export type { ReplaySource } from './sys-retained.ts'
export { SysTopics } from './sys-topics.ts'
