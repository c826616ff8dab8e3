"""The feed of a cell: found, and cut where only its beginning is wanted."""

import score
import workers
from measure import Failed, run


def prepared(cell, folder, tools, ladder, work):
    """The file that everybody gets; None where the feed is not there. A beginning is cut packet by packet, so that it costs what the feed costs to decode."""
    feed = (folder / cell.feed).resolve()
    if not feed.is_file() or cell.seconds is None:
        return feed if feed.is_file() else None
    wanted = pictures(cell, workers.plan(tools.mezzo, feed, ladder, work))
    # Into MP4: GStreamer found no sound in a transport stream of a few seconds.
    made = work / "feed.mp4"
    cut(tools.ffmpeg, feed, cell.seconds, wanted, made, cell.sound, cell.retag)
    return made


def cut(ffmpeg, feed, seconds, pictures, made, sound=True, retag=False):
    """The first pictures of a feed as `made`, packet by packet. `retag`: saying that they are BT.709."""
    words = ["-map", "0:v:0", *(["-map", "0:a:0?"] if sound else []), "-c", "copy"]
    words += ["-bsf:v", "h264_metadata=colour_primaries=1:transfer_characteristics=1:matrix_coefficients=1"] if retag else []
    run([ffmpeg, "-nostdin", "-y", "-v", "error", "-i", feed, "-t", seconds, "-frames:v", pictures, *words, made], 120)


def counted(cell, feed, plan, ffmpeg):
    """How many pictures it has. In a cut that is what its length and rate say, or each program would fill the gap in its own way."""
    there = score.pictures(ffmpeg, feed)
    if cell.seconds is not None and there != pictures(cell, plan):
        raise Failed(f"{cell.feed} cut to {cell.seconds:g} s has {there} pictures, not {pictures(cell, plan)}: choose `seconds` at a key frame")
    return there


def pictures(cell, plan):
    """That `seconds` have at the rate of the plan."""
    return round(cell.seconds * workers.numerator(plan["grid"]["rate"]) / workers.denominator(plan["grid"]["rate"]))
