-- The hottest row of all: half of each page stays free, so that a new version of a row stands beside the old one.
ALTER TABLE raffles_ticketcounter SET (fillfactor = 50);
