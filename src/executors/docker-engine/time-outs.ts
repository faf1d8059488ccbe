/** Longest time that the engine may take for a small thing (a list, a volume), milliseconds: it may be busy. */
export const quickMs = 60_000;

/** The same for making, starting and removing containers. */
export const slowMs = 300_000;
