"""More free phrasings: what is asked, in words of people."""

from __future__ import annotations

from spatialvlm_ros.scene.facts import Query

MORE: dict[Query, tuple[str, ...]] = {
    Query("wide", "vase", "candle"): (
        "Is the vase wider than the candle?",
        "is the vase broader than the candle",
        "Is the width of the vase greater than the width of the candle?",
    ),
    Query("thin", "vase", "candle"): (
        "Is the vase thinner than the candle?",
        "Is the vase narrower than the candle?",
        "Is the vase less wide than the candle?",
    ),
    Query("big", "vase", "candle"): (
        "Is the vase bigger than the candle?",
        "Is the vase larger in comparison with the candle?",
        "Is the size of the vase greater than that of the candle?",
        "is the vase any bigger than the candle",
    ),
    Query("small", "vase", "candle"): (
        "Is the vase smaller than the candle?",
        "Is the vase less big than the candle?",
        "Does the vase seem smaller than the candle?",
    ),
    Query("which_left", "red can", "blue can"): (
        "Which is further left, the red can or the blue can?",
        "Which of the red can and the blue can is more to the left?",
        "Is the red can or the blue can further left?",
        "Between the red can and the blue can, which one lies further to the left?",
        "The red can or the blue can, which one is more to the left?",
    ),
    Query("which_right", "red can", "blue can"): (
        "Which one is further right: the red can or the blue can?",
        "Of the red can and the blue can, which is more to the right?",
    ),
    Query("which_above", "red can", "blue can"): (
        "Which is higher, the red can or the blue can?",
        "Is the red can or the blue can higher up?",
        "which of the red can or the blue can sits higher",
    ),
    Query("which_below", "red can", "blue can"): (
        "Which is lower, the red can or the blue can?",
        "Is it the red can or the blue can that is lower?",
    ),
    Query("which_behind", "red can", "blue can"): (
        "Which is further back, the red can or the blue can?",
        "Which of the two is farther back, the red can or the blue can?",
    ),
    Query("which_front", "red can", "blue can"): (
        "Which is further in front, the red can or the blue can?",
        "Comparing the red can and the blue can, which one is further forward?",
    ),
    Query("which_tall", "red can", "blue can"): (
        "Which is taller, the red can or the blue can?",
        "Which of the two is the taller one, the red can or the blue can?",
        "Is the red can or the blue can taller?",
        "What is taller, the red can or the blue can?",
        "Pick the taller one of the red can and the blue can.",
        "Which has the greater height, the red can or the blue can?",
    ),
    Query("which_short", "red can", "blue can"): ("Which is shorter, the red can or the blue can?",),
    Query("which_wide", "red can", "blue can"): (
        "Which is wider, the red can or the blue can?",
        "red can or blue can: which is broader?",
    ),
    Query("which_thin", "red can", "blue can"): ("Which of the red can and the blue can is narrower?",),
    Query("which_big", "red can", "blue can"): (
        "Which is bigger, the red can or the blue can?",
        "which object is larger, the red can or the blue can",
        "Which of these is bigger: the red can or the blue can?",
    ),
    Query("which_small", "red can", "blue can"): ("Which thing is smaller, the red can or the blue can?",),
    Query("left_or_right", "pen", "book"): (
        "Is the pen to the left or to the right of the book?",
        "Is the pen left or right of the book?",
        "On which side of the book is the pen, left or right?",
        "Does the pen lie to the right or to the left of the book?",
        "Relative to the book, is the pen on the left or on the right?",
        "Is the pen to the left, or to the right, of the book?",
    ),
    Query("above_or_below", "pen", "book"): (
        "Is the pen above or below the book?",
        "Is the pen below or above the book?",
        "Is the pen higher or lower than the book?",
        "does the pen lie over or under the book",
    ),
    Query("behind_or_front", "pen", "book"): (
        "Is the pen behind or in front of the book?",
        "Is the pen in front of or behind the book?",
        "Tell me whether the pen is behind or in front of the book",
    ),
    Query("tall_or_short", "pen", "book"): (
        "Is the pen taller or shorter than the book?",
        "Is the pen shorter or taller than the book?",
        "Compared to the book, is the pen taller or shorter?",
        "Is the pen taller than the book or shorter?",
    ),
    Query("wide_or_thin", "pen", "book"): (
        "Is the pen wider or narrower than the book?",
        "Is the pen thinner or wider than the book?",
    ),
    Query("big_or_small", "pen", "book"): (
        "Is the pen bigger or smaller than the book?",
        "is the pen larger or smaller than the book",
    ),
    Query("on", "red block", "green plate"): (
        "Is the red block on the green plate?",
        "Is the red block on top of the green plate?",
        "is the red block lying on top of the green plate",
        "Does the red block rest on the green plate?",
        "Tell me if the red block is on the green plate",
        "Is the red block stacked on the green plate?",
    ),
    Query("contained", "apple", "bowl"): (
        "Is the apple in the bowl?",
        "Is the apple inside the bowl?",
        "Does the bowl contain the apple?",
        "is the apple lying inside of the bowl",
        "Isn't the apple in the bowl?",
    ),
    Query("fits_into", "apple", "bowl"): (
        "Would the apple fit into the bowl?",
        "Does the apple fit in the bowl?",
        "Is the apple small enough to fit into the bowl?",
        "Can I put the apple into the bowl?",
        "Is the bowl wide enough for the apple?",
        "could the apple go inside the bowl",
    ),
    Query("touching", "apple", "bowl"): (
        "Does the apple touch the bowl?",
        "Is the apple touching the bowl?",
        "Are the apple and the bowl touching each other?",
        "Is there any contact between the apple and the bowl?",
        "do the apple and the bowl touch",
    ),
    Query("held", "apple", "gripper"): (
        "Is the apple held by the gripper?",
        "Is the apple in the gripper?",
        "Is the gripper holding the apple?",
        "Does the gripper hold the apple?",
        "Has the gripper grasped the apple?",
        "Is the apple between the fingers of the gripper?",
        "Is the apple in the gripper's grip?",
    ),
    Query("between", "fork", "knife", "spoon"): (
        "Is the fork between the knife and the spoon?",
        "does the fork lie between the knife and the spoon",
        "Is the fork located in between the knife and the spoon?",
    ),
    Query("path_width", "sofa", "table"): (
        "How wide is the way between the sofa and the table?",
        "How wide is the passage between the sofa and the table?",
        "What's the width of the path between the sofa and the table?",
        "How wide is it between the sofa and the table?",
        "How much room is there to pass between the sofa and the table?",
    ),
    Query("fits_through", "cart", "sofa", "table"): (
        "would the cart fit between the sofa and the table",
        "Can the cart pass between the sofa and the table?",
        "Is the cart narrow enough to go through between the sofa and the table?",
        "Is there enough room for the cart to pass between the sofa and the table?",
        "Could the cart squeeze through the gap between the sofa and the table?",
    ),
    Query("reachable", "mug", "base", amount=0.8): (
        "is the mug reachable within 80 cm of the base",
        "can the mug be reached within 0.8 m of the base",
        "Is the mug reachable within 0.8 meters of the base?",
        "Can the base reach the mug with a reach of 80 centimeters?",
        "Is the mug within a radius of 0.8 m around the base?",
        "Is the mug within reach of 800 mm from the base?",
    ),
    Query("reachable", "mug", "base", amount=0.5): (
        "Is the mug reachable within half a meter of the base?",
        "is the mug reachable within about half a metre of the base",
    ),
    Query("reachable", "mug", "base", amount=1.0): (
        "Is the mug within a reach of one meter from the base?",
        "is the mug reachable within a meter of the base",
    ),
    Query("reachable", "mug", "robot", amount=0.8): (
        "Is the mug within reach of 0.8 m?",
        "is the mug in reach of 80 cm",
        "Can the mug be reached with an arm of 80 cm?",
    ),
    Query("direction", "mug", "plate"): (
        "where is the mug relative to the plate",
        "In which direction is the mug from the plate?",
        "at which o'clock is the mug from the plate",
        "What is the direction from the plate to the mug?",
        "Which way is the mug from the plate?",
        "In what direction from the plate does the mug lie?",
        "Where does the mug lie with respect to the plate?",
    ),
    Query("point_above", "mug", amount=0.05): (
        "Is the point 5 cm above the mug free?",
        "is the space 0.05 m above the mug clear",
        "How far is the nearest surface from the point 5 centimeters above the mug?",
        "Is it free 50 mm above the mug?",
        "How much room is there around the spot 5 cm above the mug?",
    ),
    Query("point_left", "mug", amount=0.1): (
        "Is the point 10 cm to the left of the mug free?",
        "is the spot 0.1 m left of the mug empty",
    ),
    Query("point_front", "mug", amount=0.1): ("Is the point 10 cm in front of the mug free?",),
    Query("count", "red block"): (
        "how many red blocks are there",
        "How many red blocks can you see?",
        "How many red blocks do you see in the image?",
        "Count the red blocks.",
        "What is the number of red blocks in sight?",
        "How many red blocks are visible?",
        "please count all the red blocks",
        "What's the total number of red blocks?",
    ),
    Query("count", "box"): ("How many boxes are there?",),
    Query("count", "knife"): ("How many knives are there on the image?", "How many knives are here?"),
    Query("nearest", "can", "gripper"): (
        "which can is nearest to the gripper",
        "Which can is the closest to the gripper?",
        "Which of the cans is nearest to the gripper?",
        "What is the nearest can to the gripper?",
        "Of all the cans, which is closest to the gripper?",
        "To which can is the gripper closest?",
        "Find the can closest to the gripper.",
    ),
    Query("distance", "salt and pepper shaker", "cup of tea"): (
        'How far is the "salt and pepper shaker" from the cup of tea?',
        "How far is the salt and pepper shaker from the cup of tea?",
        "What is the distance between the salt and pepper shaker and the cup of tea?",
    ),
    Query("distance", "#3", "box from ikea"): (
        "How far is #3 from the box from Ikea?",
        "What is the distance from #3 to the “box from ikea”?",
    ),
    Query("height", "bottle to the left of the mug"): ("How tall is the bottle to the left of the mug?",),
    Query("left", "bottle to the left of the mug", "plate"): (
        'Is the "bottle to the left of the mug" to the left of the plate?',
    ),
}

# No relation, too many, too few things, a comparison with a number, or words whose meaning would have to be guessed.
