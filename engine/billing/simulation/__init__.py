"""Simulation: what another catalog would have made of past usage, beside what the catalog as it is makes of it.

candidate        a catalog whose new plan versions everybody has, at all times. Pure
priced_rows      settled lines summed up by subscription, billing period and price. Pure
side_by_side     two such tables beside each other. Pure
simulator        some customers at a time, rated and settled twice from one watermark
"""
