// What each check means, for people: its title, and what it would mean if it failed.

export const CHECKS = {
  bundle: ["The result file is complete", "It is not as the rules say, so that nothing in it can be relied on."],
  protocol: ["It follows the published rules", "It claims to follow other rules than the published ones."],
  "manifest JSON": ["The promise can be read in one way only", "The promise could be read in two ways."],
  "manifest canonical": ["The promise is in its one standard form", "The promise was written otherwise than the rules say."],
  "manifest hash": ["The promise has the fingerprint it claims", "The promise was changed after its fingerprint was taken."],
  "manifest content": [
    "The promise names everything it must, within the rules",
    "Something that had to be promised is missing, odd, or beyond what the rules allow.",
  ],
  "manifest raffle": [
    "The result and the promise are of one raffle",
    "The result belongs to another raffle than the promise.",
  ],
  "bundle stage": ["The result goes together", "The result has parts that it cannot have yet, or lacks some it must have."],
  "beacon chain": ["The source of randomness is named truly", "It passes itself off as the public beacon, and is not."],
  "entries file": ["Every line of the entries can be read", "A line of the entries is not as the rules say."],
  "entries order": ["No two entries share a ticket", "Entries overlap or are out of order: a ticket could count twice."],
  "entries unique": ["No entry is listed twice", "An entry is listed twice, or one entry could be shown to two buyers."],
  "entries limits": [
    "The promised numbers of tickets were kept",
    "More tickets than promised, in all or for one entry; or fewer than the promised minimum.",
  ],
  "entries count": ["The number of entries is right", "The file has more or fewer entries than the result says."],
  "entries tickets": ["The number of tickets is right", "Tickets were added to or removed from the file."],
  "entries root": [
    "The entries have the published fingerprint",
    "The entries are not those that were fixed before the draw.",
  ],
  "log file": ["Every line of the log can be read", "A line of the log is not as the rules say."],
  "log kinds": [
    "Nobody came in or went out after the entries were fixed",
    "The log is shorter than was promised, or goes on selling after the entries were fixed.",
  ],
  "log root": ["The log has the published fingerprint", "The log is not the one that was fixed before the draw."],
  "log purchases": [
    "Each purchase and each withdrawal stands once in the log",
    "The log enters or withdraws somebody twice, shows one entry to two people, or withdraws what was never entered.",
  ],
  "log tickets": ["The ticket numbers have no gap", "Ticket numbers were skipped or given twice."],
  "log times": ["Every purchase was made while tickets were sold", "A purchase is dated outside the sale."],
  "log entries": [
    "The entries are exactly the purchases that were not withdrawn",
    "Somebody in the log was left out of the draw, or somebody is in the draw who is not in the log.",
  ],
  "log outcomes": [
    "Prizes passed on as the rules say",
    "A prize was taken away or handed over otherwise than the rules say.",
  ],
  commitment: [
    "The published fingerprint covers entries and log",
    "The fingerprint that was published is of other entries or another log.",
  ],
  "commitment time": [
    "The entries were fixed when they had to be",
    "The entries were fixed before the sale was over, or later than promised.",
  ],
  "beacon round": [
    "The round was not chosen by anybody",
    "Another round was used than the rules say: it may have been chosen.",
  ],
  "beacon signature": [
    "The randomness is signed by its source",
    "The randomness does not come from the promised source.",
  ],
  "beacon randomness": [
    "The random number follows from that signature",
    "The random number is not that of the signature.",
  ],
  seed: ["The seed follows from all of the above", "The draw was computed from something else than these facts."],
  "picks number": ["There are as many picks as promised", "Picks were left out or added."],
  "picks indices": [
    "Every pick follows from the seed, in order",
    "A pick does not follow from the seed: it was changed.",
  ],
  "picks entries": ["Each picked ticket belongs to its entry", "A pick names a ticket or entry that was not picked."],
  "picks roles": ["Each pick has the prize it should have", "A prize was given to another pick than promised."],
  "picks paths": ["Each pick's proof leads to the fingerprint", "A pick's own proof does not hold."],
};

/** What is shown with the failures that are no check of files. */
export const OTHERS = {
  place: "The chain says something else than these files.",
  source: "The source of randomness is not the one that you named.",
  receipt: "A promise that the operator signed was broken.",
};
